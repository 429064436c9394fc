#include <omp.h>

#include <numeric>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

struct Case {
  std::vector<std::int32_t> starts;
  std::int64_t heads;
  std::int64_t head_width;
  Dropout dropout;
  double tolerance = 1e-6;  ///< of the output; longer sums in plain code need more
};

const Dropout kDropout{.rate = 0.2F, .place = 6, .key = random_key(11, 12)};

std::vector<Case> cases() {
  return {
      {{0, 11}, 2, 32, {}},           {{0, 1, 8, 8, 41}, 3, 7, {}},          {{0, 11, 20}, 2, 8, kDropout},
      {{0, 64, 129}, 1, 16, {}},      {{0, 5, 205}, 2, 5, kDropout},         {{0, 70}, 1, 64, kDropout},
      {{0, 3, 36}, 1, 256, kDropout}, {{0, 70, 71}, 1, 128, kDropout, 2e-6}, {{0, 130}, 2, 80, {}, 2e-6},
      {{0, 66}, 1, 256, {}, 2e-6},
  };
}

struct Problem {
  const Case& the;
  std::vector<std::uint32_t> examples;
  PackedSequences sequences;
  double scale;

  explicit Problem(const Case& which) : the(which), examples(which.starts.size() - 1), sequences{}, scale(0.0) {
    std::iota(examples.begin(), examples.end(), 1000U);
    sequences = {the.starts.back(), static_cast<std::int64_t>(examples.size()), the.starts.data(), examples.data(), 0};
    for (std::size_t s = 0; s < examples.size(); ++s) {
      sequences.longest = std::max<std::int64_t>(sequences.longest, the.starts[s + 1] - the.starts[s]);
    }
    scale = 1.0 / std::sqrt(static_cast<double>(the.head_width));
  }
  [[nodiscard]] std::int64_t columns() const { return the.heads * the.head_width; }
  [[nodiscard]] AttentionShape shape() const { return AttentionShape::plain(the.heads, the.head_width); }

  struct Result {
    std::vector<double> out;
    std::vector<double> log_sum_exp;
    std::vector<double> dq;
    std::vector<double> dk;
    std::vector<double> dv;
  };

  /// Forward, and with d_out given the textbook backward, which the central differences confirm.
  [[nodiscard]] Result reference(const std::vector<double>& q, const std::vector<double>& k,
                                 const std::vector<double>& v, const std::vector<double>& d_out) const {
    const std::int64_t width = the.head_width;
    Result result;
    result.out.assign(q.size(), 0.0);
    result.log_sum_exp.assign(static_cast<std::size_t>(the.heads * sequences.tokens), 0.0);
    result.dq = result.dk = result.dv = result.out;
    for (std::int64_t s = 0; s < sequences.sequences; ++s) {
      for (std::int64_t head = 0; head < the.heads; ++head) {
        for (std::int64_t i = sequences.starts[s]; i < sequences.starts[s + 1]; ++i) {
          const auto at = [&](std::int64_t token, std::int64_t c) {
            return static_cast<std::size_t>(token * columns() + head * width + c);
          };
          std::vector<double> p;
          double sum = 0.0;
          for (std::int64_t j = sequences.starts[s]; j < sequences.starts[s + 1]; ++j) {
            double score = 0.0;
            for (std::int64_t c = 0; c < width; ++c) {
              score += q[at(i, c)] * k[at(j, c)];
            }
            p.push_back(std::exp(scale * score));
            sum += p.back();
          }
          result.log_sum_exp[static_cast<std::size_t>(head * sequences.tokens + i)] = std::log(sum);
          std::vector<double> d_p;
          double mean_d_p = 0.0;
          for (std::size_t j = 0; j < p.size(); ++j) {
            p[j] /= sum;
            const double factor =
                the.dropout.active()
                    ? dropout_factor(the.dropout, static_cast<std::uint32_t>(j),
                                     static_cast<std::uint32_t>(i - sequences.starts[s]),
                                     examples[static_cast<std::size_t>(s)], static_cast<std::uint32_t>(head))
                    : 1.0;
            const std::int64_t key = sequences.starts[s] + static_cast<std::int64_t>(j);
            double d = 0.0;
            for (std::int64_t c = 0; c < width; ++c) {
              result.out[at(i, c)] += factor * p[j] * v[at(key, c)];
              if (!d_out.empty()) {
                d += d_out[at(i, c)] * v[at(key, c)] * factor;
                result.dv[at(key, c)] += factor * p[j] * d_out[at(i, c)];
              }
            }
            d_p.push_back(d);
            mean_d_p += p[j] * d;
          }
          for (std::size_t j = 0; j < p.size(); ++j) {
            const double d_score = scale * p[j] * (d_p[j] - mean_d_p);
            const std::int64_t key = sequences.starts[s] + static_cast<std::int64_t>(j);
            for (std::int64_t c = 0; c < width; ++c) {
              result.dq[at(i, c)] += d_score * k[at(key, c)];
              result.dk[at(key, c)] += d_score * q[at(i, c)];
            }
          }
        }
      }
    }
    return result;
  }
};

class AttentionTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(AttentionTest);

TEST_P(AttentionTest, ForwardAndBackwardMatchReference) {
  for (const Case& which : cases()) {
    const Problem problem(which);
    const std::int64_t tokens = problem.sequences.tokens;
    const std::int64_t columns = problem.columns();
    const auto q = TestMatrix::random(tokens, columns, 1, columns + 5);
    const auto k = TestMatrix::random(tokens, columns, 2, columns + 6);
    const auto v = TestMatrix::random(tokens, columns, 3, columns + 7);
    const auto d_out = TestMatrix::random(tokens, columns, 4, columns + 1);
    const auto expected = problem.reference(q.values(), k.values(), v.values(), d_out.values());

    TestMatrix out(tokens, columns, columns + 2);
    TestMatrix log_sum_exp(which.heads, tokens);
    kernels_.run(calls::AttentionForward{.q = q,
                                         .k = k,
                                         .v = v,
                                         .sequences = problem.sequences,
                                         .shape = problem.shape(),
                                         .dropout = which.dropout,
                                         .out = out,
                                         .log_sum_exp = log_sum_exp.data()});
    expect_close(out.values(), expected.out, which.tolerance);
    expect_close(log_sum_exp.values(), expected.log_sum_exp, 1e-6);

    TestMatrix dq(tokens, columns, columns + 3);
    TestMatrix dk(tokens, columns, columns + 4);
    TestMatrix dv(tokens, columns, columns + 5);
    kernels_.run(calls::AttentionBackward{.q = q,
                                          .k = k,
                                          .v = v,
                                          .out = out,
                                          .d_out = d_out,
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = problem.sequences,
                                          .shape = problem.shape(),
                                          .dropout = which.dropout,
                                          .dq = dq,
                                          .dk = dk,
                                          .dv = dv});
    expect_close(dq.values(), expected.dq, 3e-6);
    expect_close(dk.values(), expected.dk, 3e-6);
    expect_close(dv.values(), expected.dv, 3e-6);
    for (const TestMatrix* matrix : {&out, &dq, &dk, &dv}) {
      EXPECT_TRUE(matrix->gaps_untouched());
    }
  }
}

/// Rows of a [tokens, columns] matrix, and a matrix that has them in their places and zeros elsewhere.
std::vector<double> taken(const std::vector<double>& x, const std::vector<std::int64_t>& rows, std::int64_t columns) {
  std::vector<double> y;
  for (const std::int64_t row : rows) y.insert(y.end(), x.begin() + row * columns, x.begin() + (row + 1) * columns);
  return y;
}

TEST_P(AttentionTest, OfHeadsThatShareKeysIsThatOfHeadsWithEqualKeys) {
  for (const Case& which : {Case{{0, 11, 12}, 3, 16, kDropout}, {{0, 5, 205}, 4, 5, kDropout}, {{0, 70}, 2, 64, {}}}) {
    const Problem problem(which);
    const std::int64_t tokens = problem.sequences.tokens;
    const std::int64_t width = which.head_width;
    const std::int64_t columns = problem.columns();
    AttentionShape shape = problem.shape();
    shape.key_heads = 1;
    const auto q = TestMatrix::random(tokens, columns, 1);
    const auto k = TestMatrix::random(tokens, width, 2, width + 6);
    const auto v = TestMatrix::random(tokens, width, 3, width + 7);
    const auto d_out = TestMatrix::random(tokens, columns, 4);
    TestMatrix repeated_k(tokens, columns);
    TestMatrix repeated_v(tokens, columns);
    for (std::int64_t i = 0; i < tokens; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        repeated_k(i, j) = k(i, j % width);
        repeated_v(i, j) = v(i, j % width);
      }
    const auto expected = problem.reference(q.values(), repeated_k.values(), repeated_v.values(), d_out.values());
    const auto summed = [&](const std::vector<double>& of_heads) {
      std::vector<double> sums(static_cast<std::size_t>(tokens * width));
      for (std::int64_t i = 0; i < tokens * columns; ++i)
        sums[static_cast<std::size_t>(i / columns * width + i % width)] += of_heads[static_cast<std::size_t>(i)];
      return sums;
    };

    TestMatrix out(tokens, columns);
    TestMatrix log_sum_exp(which.heads, tokens);
    kernels_.run(calls::AttentionForward{.q = q,
                                         .k = k,
                                         .v = v,
                                         .sequences = problem.sequences,
                                         .shape = shape,
                                         .dropout = which.dropout,
                                         .out = out,
                                         .log_sum_exp = log_sum_exp.data()});
    expect_close(out.values(), expected.out, 1e-6);
    TestMatrix dq(tokens, columns);
    TestMatrix dk(tokens, width, width + 1);
    TestMatrix dv(tokens, width, width + 2);
    kernels_.run(calls::AttentionBackward{.q = q,
                                          .k = k,
                                          .v = v,
                                          .out = out,
                                          .d_out = d_out,
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = problem.sequences,
                                          .shape = shape,
                                          .dropout = which.dropout,
                                          .dq = dq,
                                          .dk = dk,
                                          .dv = dv});
    expect_close(dq.values(), expected.dq, 3e-6);
    expect_close(dk.values(), summed(expected.dk), 3e-6);
    expect_close(dv.values(), summed(expected.dv), 3e-6);
    EXPECT_TRUE(dk.gaps_untouched());
    EXPECT_TRUE(dv.gaps_untouched());

    TestMatrix dq_alone(tokens, columns);
    kernels_.run(calls::AttentionBackward{.q = q,
                                          .k = k,
                                          .v = v,
                                          .out = out,
                                          .d_out = d_out,
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = problem.sequences,
                                          .shape = shape,
                                          .dropout = which.dropout,
                                          .dq = dq_alone});
    EXPECT_EQ(dq_alone.values(), dq.values()) << "where nobody wants the gradients of keys and values";
  }
}

TEST_P(AttentionTest, KeysThatAreTheValuesGetTheGradientsOfKeysThatEqualThem) {
  const Case which{{0, 5, 75}, 3, 16, kDropout};
  const Problem problem(which);
  const auto q = TestMatrix::random(75, 48, 1);
  const auto k = TestMatrix::random(75, 16, 2, 20);
  const TestMatrix equal = k;
  const auto d_out = TestMatrix::random(75, 48, 3);
  TestMatrix out(75, 48);
  TestMatrix log_sum_exp(3, 75);
  kernels_.run(calls::AttentionForward{.q = q,
                                       .k = k,
                                       .v = k,
                                       .sequences = problem.sequences,
                                       .shape = {3, 1, 16, 16, 0.5F},
                                       .dropout = which.dropout,
                                       .out = out,
                                       .log_sum_exp = log_sum_exp.data()});
  std::vector<std::vector<double>> gradients;
  for (const TestMatrix* v : {&k, &equal}) {
    TestMatrix dq(75, 48);
    TestMatrix dk(75, 16);
    TestMatrix dv(75, 16);
    kernels_.run(calls::AttentionBackward{.q = q,
                                          .k = k,
                                          .v = *v,
                                          .out = out,
                                          .d_out = d_out,
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = problem.sequences,
                                          .shape = {3, 1, 16, 16, 0.5F},
                                          .dropout = which.dropout,
                                          .dq = dq,
                                          .dk = dk,
                                          .dv = dv});
    for (const TestMatrix* matrix : {&dq, &dk, &dv}) gradients.push_back(matrix->values());
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(gradients[i], gradients[i + 3]);
}

TEST_P(AttentionTest, ForgoesTheGradientsOfKeysAndValuesOnlyTogetherAndInF32) {
  const Case which{{0, 5, 75}, 3, 16, kDropout};
  const Problem problem(which);
  const auto q = TestMatrix::random(75, 48, 1);
  const auto k = TestMatrix::random(75, 48, 2);
  const auto v = TestMatrix::random(75, 48, 3);
  const auto d_out = TestMatrix::random(75, 48, 4);
  TestMatrix out(75, 48);
  TestMatrix log_sum_exp(3, 75);
  kernels_.run(calls::AttentionForward{.q = q,
                                       .k = k,
                                       .v = v,
                                       .sequences = problem.sequences,
                                       .shape = AttentionShape::plain(3, 16, 0.5F),
                                       .dropout = which.dropout,
                                       .out = out,
                                       .log_sum_exp = log_sum_exp.data()});
  TestMatrix dk(75, 48);
  TestMatrix dv(75, 48);
  const auto backward = [&](Rows dq, Rows d_keys, Rows d_values) {
    kernels_.run(calls::AttentionBackward{.q = q,
                                          .k = k,
                                          .v = v,
                                          .out = out,
                                          .d_out = d_out,
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = problem.sequences,
                                          .shape = AttentionShape::plain(3, 16, 0.5F),
                                          .dropout = which.dropout,
                                          .dq = dq,
                                          .dk = d_keys,
                                          .dv = d_values});
  };
  TestMatrix dq(75, 48);
  TestMatrix dq_alone(75, 48);
  backward(dq, dk, dv);
  backward(dq_alone, {}, {});
  EXPECT_EQ(dq_alone.values(), dq.values());
  EXPECT_THROW(backward(dq, dk, {}), Error);
  EXPECT_THROW(backward(dq, {}, dv), Error);

  std::vector<BFloat16> rounded(75 * 48);
  const Rows bf16{rounded.data(), 75, 48, 48, DType::bf16};
  EXPECT_THROW(kernels_.run(calls::AttentionBackward{.q = bf16,
                                                     .k = bf16,
                                                     .v = bf16,
                                                     .out = bf16,
                                                     .d_out = bf16,
                                                     .log_sum_exp = log_sum_exp.data(),
                                                     .sequences = problem.sequences,
                                                     .shape = AttentionShape::plain(3, 16, 0.5F),
                                                     .dropout = which.dropout,
                                                     .dq = bf16}),
               Error);
}

TEST_P(AttentionTest, OfSomeQueriesIsThatOfAllWhereTheOthersHaveNoGradient) {
  struct QueryTokens {
    std::vector<std::int32_t> starts;
    std::vector<std::uint32_t> positions;
  };
  const std::vector<std::pair<Case, QueryTokens>> problems{
      {{{0, 11, 20}, 2, 8, kDropout}, {{0, 1, 2}, {0, 0}}},
      {{{0, 5, 12, 90}, 3, 7, kDropout}, {{0, 0, 2, 5}, {1, 6, 0, 64, 77}}},
      {{{0, 70, 140}, 1, 32, {}},
       {{0, 66, 66},
        [] {
          std::vector<std::uint32_t> most(66);
          std::iota(most.begin(), most.end(), 3U);
          return most;
        }()}},
  };
  for (const auto& [which, query_tokens] : problems) {
    const Problem problem(which);
    const std::int64_t tokens = problem.sequences.tokens;
    const std::int64_t columns = problem.columns();
    std::vector<std::int64_t> rows;
    for (std::size_t s = 0; s + 1 < query_tokens.starts.size(); ++s)
      for (std::int32_t i = query_tokens.starts[s]; i < query_tokens.starts[s + 1]; ++i)
        rows.push_back(which.starts[s] + query_tokens.positions[static_cast<std::size_t>(i)]);
    const auto queries = static_cast<std::int64_t>(rows.size());
    const auto q = TestMatrix::random(tokens, columns, 1);
    const auto k = TestMatrix::random(tokens, columns, 2);
    const auto v = TestMatrix::random(tokens, columns, 3);
    auto d_out = TestMatrix::random(tokens, columns, 4);
    TestMatrix asked(queries, columns);
    TestMatrix asked_d_out(queries, columns);
    for (std::int64_t t = 0, i = 0; t < tokens; ++t) {
      const bool asks = i < queries && rows[static_cast<std::size_t>(i)] == t;
      for (std::int64_t c = 0; c < columns; ++c) {
        if (asks) {
          asked(i, c) = q(t, c);
          asked_d_out(i, c) = d_out(t, c);
        } else {
          d_out(t, c) = 0.0F;
        }
      }
      i += asks ? 1 : 0;
    }
    const auto expected = problem.reference(q.values(), k.values(), v.values(), d_out.values());

    PackedSequences sequences = problem.sequences;
    sequences.query_starts = query_tokens.starts.data();
    sequences.query_positions = query_tokens.positions.data();
    TestMatrix out(queries, columns);
    TestMatrix log_sum_exp(which.heads, queries);
    kernels_.run(calls::AttentionForward{.q = asked,
                                         .k = k,
                                         .v = v,
                                         .sequences = sequences,
                                         .shape = problem.shape(),
                                         .dropout = which.dropout,
                                         .out = out,
                                         .log_sum_exp = log_sum_exp.data()});
    expect_close(out.values(), taken(expected.out, rows, columns), 1e-6);
    TestMatrix dq(queries, columns);
    TestMatrix dk(tokens, columns);
    TestMatrix dv(tokens, columns);
    kernels_.run(calls::AttentionBackward{.q = asked,
                                          .k = k,
                                          .v = v,
                                          .out = out,
                                          .d_out = asked_d_out,
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = sequences,
                                          .shape = problem.shape(),
                                          .dropout = which.dropout,
                                          .dq = dq,
                                          .dk = dk,
                                          .dv = dv});
    expect_close(dq.values(), taken(expected.dq, rows, columns), 3e-6);
    expect_close(dk.values(), expected.dk, 3e-6);
    expect_close(dv.values(), expected.dv, 3e-6);
  }
}

TEST(AttentionReference, MatchesCentralDifferences) {
  const Case which{{0, 5, 8}, 2, 3, kDropout};
  const Problem problem(which);
  const auto q = TestMatrix::random(8, 6, 1).values();
  const auto k = TestMatrix::random(8, 6, 2).values();
  const auto v = TestMatrix::random(8, 6, 3).values();
  const auto d_out = TestMatrix::random(8, 6, 4).values();
  const auto result = problem.reference(q, k, v, d_out);
  const auto in_q = [&](const std::vector<double>& at) { return dot(problem.reference(at, k, v, {}).out, d_out); };
  const auto in_k = [&](const std::vector<double>& at) { return dot(problem.reference(q, at, v, {}).out, d_out); };
  const auto in_v = [&](const std::vector<double>& at) { return dot(problem.reference(q, k, at, {}).out, d_out); };
  expect_close(result.dq, numeric_gradient(q, in_q), 1e-8);
  expect_close(result.dk, numeric_gradient(k, in_k), 1e-8);
  expect_close(result.dv, numeric_gradient(v, in_v), 1e-8);
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  const std::vector<std::int32_t> starts = {0, 100};
  const std::uint32_t example = 0;
  const PackedSequences sequences{100, 1, starts.data(), &example, 100};
  const auto q = TestMatrix::random(100, 8, 1, 0, 30.0F);
  const auto v = TestMatrix::random(100, 8, 2);
  TestMatrix out(100, 8);
  kernels_.run(calls::AttentionForward{
      .q = q, .k = q, .v = v, .sequences = sequences, .shape = AttentionShape::plain(1, 8, 1.0F), .out = out});
  // A token's own key fits it best by far.
  expect_close(
      out.values(),
      [&] {
        auto expected = out.values();
        for (std::int64_t i = 0; i < 100; ++i) {
          std::int64_t best = 0;
          double highest = -1e30;
          double second = -1e30;
          for (std::int64_t j = 0; j < 100; ++j) {
            double score = 0.0;
            for (std::int64_t c = 0; c < 8; ++c) {
              score += static_cast<double>(q(i, c)) * static_cast<double>(q(j, c));
            }
            second = std::max(second, std::min(score, highest));
            best = score > highest ? j : best;
            highest = std::max(highest, score);
          }
          for (std::int64_t c = 0; c < 8 && highest - second > 50.0; ++c) {
            expected[static_cast<std::size_t>(i * 8 + c)] = static_cast<double>(v(best, c));
          }
        }
        return expected;
      }(),
      1e-6);
}

TEST_P(AttentionTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  std::vector<std::int32_t> starts = {0};
  for (const std::int32_t length : {100, 3, 64, 31, 200}) {
    starts.push_back(starts.back() + length);
  }
  const Case which{starts, 4, 32, kDropout};
  const Problem problem(which);
  const std::int64_t tokens = problem.sequences.tokens;
  const auto q = TestMatrix::random(tokens, 128, 1);
  const auto k = TestMatrix::random(tokens, 128, 2);
  const auto v = TestMatrix::random(tokens, 128, 3);
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    TestMatrix out(tokens, 128);
    TestMatrix log_sum_exp(4, tokens);
    TestMatrix dq(tokens, 128);
    TestMatrix dk(tokens, 128);
    TestMatrix dv(tokens, 128);
    kernels_.run(calls::AttentionForward{.q = q,
                                         .k = k,
                                         .v = v,
                                         .sequences = problem.sequences,
                                         .shape = AttentionShape::plain(4, 32, 0.2F),
                                         .dropout = kDropout,
                                         .out = out,
                                         .log_sum_exp = log_sum_exp.data()});
    kernels_.run(calls::AttentionBackward{.q = q,
                                          .k = k,
                                          .v = v,
                                          .out = out,
                                          .d_out = v,
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = problem.sequences,
                                          .shape = AttentionShape::plain(4, 32, 0.2F),
                                          .dropout = kDropout,
                                          .dq = dq,
                                          .dk = dk,
                                          .dv = dv});
    results.push_back(dk.values());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

TEST_P(AttentionTest, TakesNoSequencesAtAll) {
  const std::int32_t start = 0;
  TestMatrix none(0, 8);
  kernels_.run(calls::AttentionForward{.q = none,
                                       .k = none,
                                       .v = none,
                                       .sequences = {0, 0, &start, nullptr, 0},
                                       .shape = AttentionShape::plain(2, 4, 1.0F),
                                       .out = none});
  kernels_.run(calls::AttentionBackward{.q = none,
                                        .k = none,
                                        .v = none,
                                        .out = none,
                                        .d_out = none,
                                        .log_sum_exp = nullptr,
                                        .sequences = {0, 0, &start, nullptr, 0},
                                        .shape = AttentionShape::plain(2, 4, 1.0F),
                                        .dq = none,
                                        .dk = none,
                                        .dv = none});
}

}  // namespace
}  // namespace temper
