// Attention of every shape: heads that share keys, windows, caps, values of another width, room behind sequences, and
// what distances add, against plain loops in double.
#include <omp.h>

#include <cstring>
#include <numeric>

#include "tests/tensor/kernels/attention_case.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

const Dropout kShapeDropout{.rate = 0.2F, .place = 6, .key = random_key(11, 12)};
constexpr std::int64_t kAll = AttentionWindow::kUnlimited;

using testing_support::shaped;
using testing_support::Terms;
using ShapeCase = testing_support::AttentionCase;

std::vector<std::uint32_t> range(std::uint32_t first, std::uint32_t end) {
  std::vector<std::uint32_t> result(end - first);
  std::iota(result.begin(), result.end(), first);
  return result;
}

std::vector<ShapeCase> shape_cases() {
  return {
      {{11, 1, 70}, shaped(4, 2, 8, 8)},
      {{11, 0, 70}, shaped(6, 2, 7, 7), Terms::none, kShapeDropout},
      {{5, 130}, shaped(3, 1, 16, 5), Terms::none, kShapeDropout},
      {{5, 70}, shaped(2, 2, 16, 32)},
      {{5, 70}, shaped(2, 2, 24, 7), Terms::none, kShapeDropout},
      {{1, 2, 63, 64, 65, 130}, shaped(2, 2, 16, 16, true)},
      {{3, 200}, shaped(4, 2, 8, 8, true), Terms::none, kShapeDropout},
      {{200, 9}, shaped(2, 2, 8, 8, true, {10, kAll})},
      {{200, 9}, shaped(2, 1, 8, 8, true, {70, kAll}), Terms::none, kShapeDropout},
      {{300}, shaped(1, 1, 16, 16, false, {5, 5})},
      {{300, 40}, shaped(2, 2, 16, 16, false, {64, 3}), Terms::none, kShapeDropout},
      {{70, 300}, shaped(1, 1, 16, 16, false, {1, 0})},
      {{300}, shaped(1, 1, 16, 16, false, {kAll, 80})},
      {{70, 5}, shaped(2, 2, 16, 16, false, {}, 2.0F)},
      {{70, 5}, shaped(4, 2, 16, 16, true, {}, 3.0F), Terms::none, kShapeDropout},
      {{11, 2, 70}, shaped(4, 2, 8, 8, true), Terms::none, kShapeDropout, 3},
      {{11, 70}, shaped(2, 2, 8, 8), Terms::none, {}, 5},
      {{11, 2, 130}, shaped(4, 2, 8, 8, true), Terms::none, kShapeDropout, 2, {{10}, {1}, {129}}},
      {{200, 130}, shaped(4, 1, 8, 8, false, {9, 9}), Terms::none, kShapeDropout, 0, {{199, 3, 70}, {}}},
      {{200}, shaped(2, 2, 16, 16, true), Terms::none, {}, 0, {range(3, 140)}},
      {{11, 1, 70}, shaped(3, 3, 8, 8), Terms::of_queries},
      {{11, 1, 70}, shaped(3, 3, 8, 8), Terms::of_keys, kShapeDropout},
      {{130, 0, 7}, shaped(2, 2, 16, 16), Terms::of_both, kShapeDropout},
      {{130, 7}, shaped(2, 2, 16, 16), Terms::one_row},
      {{70, 7}, shaped(3, 3, 7, 5, true, {20, kAll}, 4.0F), Terms::of_both, kShapeDropout, 2},
      {{70, 9, 7}, shaped(2, 2, 8, 8), Terms::of_both, kShapeDropout, 0, {{5, 69}, {}, {0}}},
      {{70, 9, 7}, shaped(2, 2, 8, 8), Terms::one_row, kShapeDropout, 0, {{5, 69}, {}, {0}}},
  };
}

/// Arrays that describe a batch, and matrices of the sizes that it needs.
struct ShapeProblem {
  static constexpr std::int64_t kBuckets = testing_support::kTermBuckets;
  static constexpr std::int64_t kFirstBucket = testing_support::kFirstTermBucket;
  const ShapeCase& the;
  std::vector<std::int32_t> starts{0};
  std::vector<std::int32_t> lengths;
  std::vector<std::int32_t> query_starts{0};
  std::vector<std::uint32_t> positions;
  std::vector<std::uint32_t> examples;
  std::vector<std::int32_t> buckets;
  PackedSequences sequences;
  std::int64_t queries = 0;

  explicit ShapeProblem(const ShapeCase& which) : the(which), lengths(which.lengths), examples(which.lengths.size()) {
    std::iota(examples.begin(), examples.end(), 1000U);
    for (const std::int32_t length : lengths) {
      starts.push_back(starts.back() + length + which.room);
      sequences.longest = std::max<std::int64_t>(sequences.longest, length);
    }
    sequences.tokens = starts.back();
    sequences.sequences = static_cast<std::int64_t>(lengths.size());
    sequences.starts = starts.data();
    sequences.examples = examples.data();
    if (which.room > 0) sequences.lengths = lengths.data();
    for (const auto& query_tokens : which.query_tokens) {
      positions.insert(positions.end(), query_tokens.begin(), query_tokens.end());
      query_starts.push_back(static_cast<std::int32_t>(positions.size()));
    }
    queries = which.query_tokens.empty() ? sequences.tokens : query_starts.back();
    if (!which.query_tokens.empty()) {
      sequences.query_starts = query_starts.data();
      sequences.query_positions = positions.data();
    }
    buckets = testing_support::term_buckets(sequences.longest + 4);
  }

  [[nodiscard]] std::int64_t bucket(std::int64_t distance) const {
    const auto reach = static_cast<std::int64_t>(buckets.size() + 1) / 2;
    return buckets[static_cast<std::size_t>(distance + reach - 1)] - kFirstBucket;
  }
  [[nodiscard]] bool has_query_terms() const { return the.terms != Terms::none && the.terms != Terms::of_keys; }
  [[nodiscard]] bool has_key_terms() const { return the.terms == Terms::of_keys || the.terms == Terms::of_both; }
  [[nodiscard]] bool one_row() const { return the.terms == Terms::one_row; }
  [[nodiscard]] std::int64_t rows_of_query_terms() const { return one_row() ? kBuckets : queries; }
  [[nodiscard]] std::int64_t columns_of_query_terms() const {
    return the.shape.query_heads * (one_row() ? 1 : kBuckets);
  }
  /// Place of a query's term in its matrix, row by row.
  [[nodiscard]] std::size_t query_term(std::int64_t query, std::int64_t head, std::int64_t b) const {
    return static_cast<std::size_t>(one_row() ? b * the.shape.query_heads + head
                                              : (query * the.shape.query_heads + head) * kBuckets + b);
  }
  [[nodiscard]] std::size_t key_term(std::int64_t key, std::int64_t head, std::int64_t b) const {
    return static_cast<std::size_t>((key * the.shape.query_heads + head) * kBuckets + b);
  }
  template <typename Void, typename Any>
  [[nodiscard]] TermsOf<Void> query_terms(const Any& rows) const {
    if (one_row()) return {rows.data, 0, 1, rows.stride, rows.type};
    return {rows.data, rows.stride, kBuckets, 1, rows.type};
  }
  template <typename Void, typename Any>
  [[nodiscard]] TermsOf<Void> key_terms(const Any& rows) const {
    return {rows.data, rows.stride, kBuckets, 1, rows.type};
  }
  [[nodiscard]] RelativeTerms relative(const ConstRows& query, const ConstRows& key) const {
    RelativeTerms relative;
    if (has_query_terms()) relative.query = query_terms<const void>(query);
    if (has_key_terms()) relative.key = key_terms<const void>(key);
    relative.buckets = buckets.data();
    relative.reach = static_cast<std::int64_t>(buckets.size() + 1) / 2;
    relative.first_bucket = kFirstBucket;
    relative.count = kBuckets;
    relative.scale = 0.7F;
    return relative;
  }
};

struct Inputs {
  std::vector<double> q, k, v, query_terms, key_terms, d_out;
};

struct Results {
  std::vector<double> out, log_sum_exp, dq, dk, dv, d_query_terms, d_key_terms;
};

Results reference(const ShapeProblem& problem, const Inputs& in) {
  const AttentionShape& shape = problem.the.shape;
  const std::int64_t heads = shape.query_heads;
  const std::int64_t width = shape.head_width;
  const std::int64_t value_width = shape.value_width;
  Results result;
  result.out.assign(static_cast<std::size_t>(problem.queries * heads * value_width), 0.0);
  result.log_sum_exp.assign(static_cast<std::size_t>(problem.queries * heads), 0.0);
  result.dq.assign(in.q.size(), 0.0);
  result.dk.assign(in.k.size(), 0.0);
  result.dv.assign(in.v.size(), 0.0);
  result.d_query_terms.assign(in.query_terms.size(), 0.0);
  result.d_key_terms.assign(in.key_terms.size(), 0.0);
  for (std::int64_t s = 0; s < problem.sequences.sequences; ++s) {
    const std::int64_t length = problem.lengths[static_cast<std::size_t>(s)];
    const std::int64_t start = problem.starts[static_cast<std::size_t>(s)];
    const std::int64_t query_tokens = problem.sequences.queries(s);
    for (std::int64_t head = 0; head < heads; ++head) {
      const std::int64_t key_head = head / (heads / shape.key_heads);
      for (std::int64_t i = 0; i < query_tokens; ++i) {
        const std::int64_t query = problem.sequences.first_query(s) + i;
        const std::int64_t position =
            problem.the.query_tokens.empty() ? i : problem.positions[static_cast<std::size_t>(query)];
        const auto at_q = [&](std::int64_t c) { return static_cast<std::size_t>((query * heads + head) * width + c); };
        const auto at_out = [&](std::int64_t c) {
          return static_cast<std::size_t>((query * heads + head) * value_width + c);
        };
        const auto at_k = [&](std::int64_t j, std::int64_t c) {
          return static_cast<std::size_t>(((start + j) * shape.key_heads + key_head) * width + c);
        };
        const auto at_v = [&](std::int64_t j, std::int64_t c) {
          return static_cast<std::size_t>(((start + j) * shape.key_heads + key_head) * value_width + c);
        };
        const auto scale = static_cast<double>(shape.scale);
        const auto cap = static_cast<double>(shape.soft_cap);
        std::vector<double> p(static_cast<std::size_t>(length), 0.0);
        std::vector<double> slope(p.size(), 1.0);
        double sum = 0.0;
        for (std::int64_t j = 0; j < length; ++j) {
          const bool behind = j > position;
          if (shape.causal && behind) continue;
          if (j < position - shape.window.left || j > position + shape.window.right) continue;
          double score = 0.0;
          for (std::int64_t c = 0; c < width; ++c) score += scale * in.q[at_q(c)] * in.k[at_k(j, c)];
          const std::int64_t b = problem.bucket(position - j);
          if (problem.has_query_terms()) score += 0.7F * in.query_terms[problem.query_term(query, head, b)];
          if (problem.has_key_terms()) score += 0.7F * in.key_terms[problem.key_term(start + j, head, b)];
          if (cap > 0.0) {
            const double t = std::tanh(score / cap);
            score = cap * t;
            slope[static_cast<std::size_t>(j)] = 1.0 - t * t;
          }
          p[static_cast<std::size_t>(j)] = std::exp(score);
          sum += p[static_cast<std::size_t>(j)];
        }
        result.log_sum_exp[static_cast<std::size_t>(head * problem.queries + query)] = std::log(sum);
        std::vector<double> d_p(p.size(), 0.0);
        double mean = 0.0;
        for (std::int64_t j = 0; j < length; ++j) {
          auto& probability = p[static_cast<std::size_t>(j)];
          if (probability == 0.0) continue;
          probability /= sum;
          const double factor =
              problem.the.dropout.active()
                  ? static_cast<double>(dropout_factor(
                        problem.the.dropout, static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(position),
                        problem.examples[static_cast<std::size_t>(s)], static_cast<std::uint32_t>(head)))
                  : 1.0;
          for (std::int64_t c = 0; c < value_width; ++c) {
            result.out[at_out(c)] += factor * probability * in.v[at_v(j, c)];
            if (in.d_out.empty()) continue;
            d_p[static_cast<std::size_t>(j)] += in.d_out[at_out(c)] * in.v[at_v(j, c)] * factor;
            result.dv[at_v(j, c)] += factor * probability * in.d_out[at_out(c)];
          }
          mean += probability * d_p[static_cast<std::size_t>(j)];
        }
        for (std::int64_t j = 0; j < length; ++j) {
          const auto at = static_cast<std::size_t>(j);
          const double d = p[at] * (d_p[at] - mean) * slope[at];
          for (std::int64_t c = 0; c < width; ++c) {
            result.dq[at_q(c)] += scale * d * in.k[at_k(j, c)];
            result.dk[at_k(j, c)] += scale * d * in.q[at_q(c)];
          }
          const std::int64_t b = problem.bucket(position - j);
          if (problem.has_query_terms()) result.d_query_terms[problem.query_term(query, head, b)] += 0.7F * d;
          if (problem.has_key_terms()) result.d_key_terms[problem.key_term(start + j, head, b)] += 0.7F * d;
        }
      }
    }
  }
  return result;
}

/// The matrices of a call of f32 and their results.
struct Trial {
  const ShapeProblem& problem;
  TestMatrix q, k, v, query_terms, key_terms, d_out;
  TestMatrix out, log_sum_exp, dq, dk, dv, d_query_terms, d_key_terms;

  /// `gap` elements between rows, a number more with each matrix; none: queries of heads that share keys lie evenly.
  explicit Trial(const ShapeProblem& which, std::int64_t gap = 1)
      : problem(which),
        q(drawn(which.queries, heads() * shape().head_width, 1, gap)),
        k(drawn(which.sequences.tokens, shape().key_heads * shape().head_width, 2, 2 * gap)),
        v(drawn(which.sequences.tokens, shape().key_heads * shape().value_width, 3, 3 * gap)),
        query_terms(
            drawn(which.has_query_terms() ? which.rows_of_query_terms() : 0, which.columns_of_query_terms(), 4, gap)),
        key_terms(drawn(which.has_key_terms() ? which.sequences.tokens : 0, heads() * ShapeProblem::kBuckets, 5, gap)),
        d_out(drawn(which.queries, heads() * shape().value_width, 6, 4 * gap)),
        out(which.queries, heads() * shape().value_width, heads() * shape().value_width + gap),
        log_sum_exp(heads(), which.queries),
        dq(which.queries, heads() * shape().head_width, heads() * shape().head_width + gap),
        dk(which.sequences.tokens, k.columns(), k.columns() + gap),
        dv(which.sequences.tokens, v.columns(), v.columns() + gap),
        d_query_terms(query_terms.rows(), query_terms.columns()),
        d_key_terms(key_terms.rows(), key_terms.columns()) {}

  [[nodiscard]] const AttentionShape& shape() const { return problem.the.shape; }
  [[nodiscard]] std::int64_t heads() const { return shape().query_heads; }
  static TestMatrix drawn(std::int64_t rows, std::int64_t columns, unsigned seed, std::int64_t gap) {
    return TestMatrix::random(rows, columns, seed, columns + gap);
  }
  [[nodiscard]] Inputs inputs() const {
    return {q.values(), k.values(), v.values(), query_terms.values(), key_terms.values(), d_out.values()};
  }
  void forward(Kernels& kernels, bool row_by_row = false) {
    kernels.run(calls::AttentionForward{.q = q,
                                        .k = k,
                                        .v = v,
                                        .sequences = problem.sequences,
                                        .shape = shape(),
                                        .relative = problem.relative(query_terms, key_terms),
                                        .dropout = problem.the.dropout,
                                        .row_by_row = row_by_row,
                                        .out = out,
                                        .log_sum_exp = log_sum_exp.data()});
  }
  void backward(Kernels& kernels, bool accumulate = false) {
    RelativeGradients gradients;
    if (problem.has_query_terms()) gradients.query = problem.query_terms<void>(Rows(d_query_terms));
    if (problem.has_key_terms()) gradients.key = problem.key_terms<void>(Rows(d_key_terms));
    gradients.accumulate_query = gradients.accumulate_key = accumulate;
    kernels.run(calls::AttentionBackward{.q = q,
                                         .k = k,
                                         .v = v,
                                         .out = out,
                                         .d_out = d_out,
                                         .log_sum_exp = log_sum_exp.data(),
                                         .sequences = problem.sequences,
                                         .shape = shape(),
                                         .relative = problem.relative(query_terms, key_terms),
                                         .dropout = problem.the.dropout,
                                         .dq = dq,
                                         .dk = dk,
                                         .dv = dv,
                                         .d_relative = gradients});
  }
  /// Which rows of tokens lie behind a sequence.
  [[nodiscard]] bool is_room(std::int64_t row) const {
    for (std::size_t s = 0; s < problem.lengths.size(); ++s)
      if (row >= problem.starts[s] && row < problem.starts[s] + problem.lengths[s]) return false;
    return true;
  }
};

/// Rows of `actual` that no sequence has must be untouched, and then count as the zeros that the reference has there.
std::vector<double> without_room(const Trial& run, const TestMatrix& actual, bool of_queries = false) {
  std::vector<double> values = actual.values();
  if (of_queries && !run.problem.the.query_tokens.empty()) return values;
  for (std::int64_t row = 0; row < actual.rows(); ++row) {
    if (!run.is_room(row)) continue;
    for (std::int64_t c = 0; c < actual.columns(); ++c) {
      auto& value = values[static_cast<std::size_t>(row * actual.columns() + c)];
      EXPECT_EQ(value, static_cast<double>(TestMatrix::kUntouched)) << "row " << row << " lies behind its sequence";
      value = 0.0;
    }
  }
  return values;
}

class AttentionShapeTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(AttentionShapeTest);

TEST_P(AttentionShapeTest, ForwardAndBackwardMatchReference) {
  int number = 0;
  for (const ShapeCase& which : shape_cases()) {
    SCOPED_TRACE(testing::Message() << "case " << number++);
    const ShapeProblem problem(which);
    for (const std::int64_t gap : {0, 1}) {
      Trial run(problem, gap);
      const Results expected = reference(problem, run.inputs());
      run.forward(kernels_);
      run.backward(kernels_);
      expect_close(without_room(run, run.out, true), expected.out, 2e-6);
      expect_close(without_room(run, run.dq, true), expected.dq, 4e-6);
      expect_close(without_room(run, run.dk), expected.dk, 4e-6);
      expect_close(without_room(run, run.dv), expected.dv, 4e-6);
      if (problem.has_query_terms())
        expect_close(problem.one_row() ? run.d_query_terms.values() : without_room(run, run.d_query_terms, true),
                     expected.d_query_terms, 4e-6);
      if (problem.has_key_terms()) expect_close(without_room(run, run.d_key_terms), expected.d_key_terms, 4e-6);
      for (const TestMatrix* matrix : {&run.out, &run.dq, &run.dk, &run.dv}) EXPECT_TRUE(matrix->gaps_untouched());
      if (which.shape.group() != 1 || which.room != 0) continue;  // sums of exponentials lie in the device's order
      expect_close(run.log_sum_exp.values(), expected.log_sum_exp, 2e-6);
    }
  }
}

TEST(AttentionShapeReference, MatchesCentralDifferences) {
  const ShapeCase which{{5, 3}, shaped(4, 4, 3, 2, true, {3, kAll}, 2.0F), Terms::of_both, kShapeDropout};
  const ShapeCase grouped{{5, 3}, shaped(4, 2, 3, 2, false, {2, 1}, 2.0F)};
  const ShapeCase with_one_row{{5, 3}, shaped(2, 2, 3, 2), Terms::one_row, kShapeDropout};
  for (const ShapeCase& the : {which, grouped, with_one_row}) {
    const ShapeProblem problem(the);
    const Inputs in = Trial(problem).inputs();
    const Results result = reference(problem, in);
    const auto expect_gradient = [&](std::vector<double> Inputs::*input, const std::vector<double>& gradient) {
      const auto loss = [&](const std::vector<double>& at) {
        Inputs moved = in;
        moved.*input = at;
        moved.d_out.clear();
        return dot(reference(problem, moved).out, in.d_out);
      };
      expect_close(gradient, numeric_gradient(in.*input, loss), 1e-7);
    };
    expect_gradient(&Inputs::q, result.dq);
    expect_gradient(&Inputs::k, result.dk);
    expect_gradient(&Inputs::v, result.dv);
    if (problem.has_query_terms()) expect_gradient(&Inputs::query_terms, result.d_query_terms);
    if (problem.has_key_terms()) expect_gradient(&Inputs::key_terms, result.d_key_terms);
  }
}

TEST_P(AttentionShapeTest, GradientsOfTermsAreAddedWhereAsked) {
  for (const Terms terms : {Terms::of_both, Terms::one_row}) {
    const ShapeCase which{{40, 7}, shaped(2, 2, 8, 8), terms, kShapeDropout};
    const ShapeProblem problem(which);
    Trial run(problem);
    run.forward(kernels_);
    run.backward(kernels_);
    const auto once = run.d_query_terms.values();
    const auto once_of_keys = run.d_key_terms.values();
    run.backward(kernels_, true);
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(run.d_query_terms.values()[i], 2.0 * once[i]);
    for (std::size_t i = 0; i < once_of_keys.size(); ++i) EXPECT_EQ(run.d_key_terms.values()[i], 2.0 * once_of_keys[i]);
  }
}

TEST_P(AttentionShapeTest, ASequenceHasTheBitsThatItHasAmongMany) {
  for (const ShapeCase& which : shape_cases()) {
    if (!which.query_tokens.empty() || which.room != 0) continue;
    const ShapeProblem problem(which);
    Trial all(problem);
    all.forward(kernels_);
    for (std::size_t s = 0; s < which.lengths.size(); ++s) {
      ShapeCase alone = which;
      alone.lengths = {which.lengths[s]};
      ShapeProblem problem_alone(alone);
      problem_alone.examples = {problem.examples[s]};
      problem_alone.sequences.examples = problem_alone.examples.data();
      Trial run(problem_alone);
      const std::int64_t start = problem.starts[s];
      const auto take = [&](const TestMatrix& from, TestMatrix& to) {
        for (std::int64_t i = 0; i < to.rows(); ++i)
          for (std::int64_t c = 0; c < to.columns(); ++c) to(i, c) = from(start + i, c);
      };
      take(all.q, run.q);
      take(all.k, run.k);
      take(all.v, run.v);
      if (problem.one_row()) {
        run.query_terms = all.query_terms;
      } else {
        take(all.query_terms, run.query_terms);
      }
      take(all.key_terms, run.key_terms);
      run.forward(kernels_);
      TestMatrix expected(run.out.rows(), run.out.columns());
      take(all.out, expected);
      EXPECT_EQ(run.out.values(), expected.values());
    }
  }
}

/// What a key-value cache needs: a token that asks alone, of keys in a row with room behind them, gets the bits that it
/// has where all tokens ask.
TEST_P(AttentionShapeTest, ATokenThatAsksAloneHasTheBitsThatItHasAmongAll) {
  for (const AttentionShape& shape :
       {shaped(4, 2, 16, 16, true), shaped(4, 1, 16, 16, true, {30, kAll}), shaped(2, 2, 16, 16, true, {}, 5.0F)}) {
    const ShapeCase which{{150}, shape};
    const ShapeProblem problem(which);
    Trial all(problem);
    all.forward(kernels_);
    for (const std::uint32_t position : {0U, 1U, 63U, 64U, 100U, 149U}) {
      // The cache holds what has come so far, and room.
      const ShapeCase step{{static_cast<std::int32_t>(position) + 1}, shape, Terms::none, {}, 40, {{position}}};
      const ShapeProblem problem_of_step(step);
      Trial run(problem_of_step);
      for (std::int64_t i = 0; i <= position; ++i) {
        for (std::int64_t c = 0; c < run.k.columns(); ++c) run.k(i, c) = all.k(i, c);
        for (std::int64_t c = 0; c < run.v.columns(); ++c) run.v(i, c) = all.v(i, c);
      }
      for (std::int64_t c = 0; c < run.q.columns(); ++c) run.q(0, c) = all.q(position, c);
      run.forward(kernels_);
      for (std::int64_t c = 0; c < run.out.columns(); ++c) ASSERT_EQ(run.out(0, c), all.out(position, c));
    }
  }
}

/// As generation asks: each sequence with one token, keys in rows of a cache.
TEST_P(AttentionShapeTest, TokensThatAskRowByRowMatchReference) {
  int number = 0;
  for (const AttentionShape& shape :
       {shaped(4, 2, 8, 8, true), shaped(3, 1, 16, 5, true), shaped(7, 1, 7, 16, true), shaped(2, 2, 24, 24),
        shaped(6, 2, 64, 64, true, {30, kAll}), shaped(4, 2, 16, 16, true, {}, 3.0F)}) {
    SCOPED_TRACE(testing::Message() << "shape " << number++);
    const ShapeCase which{{1, 2, 67, 130, 300}, shape, Terms::none, {}, 3, {{0}, {1}, {66}, {129}, {299}}};
    const ShapeProblem problem(which);
    for (const std::int64_t gap : {0, 1}) {
      Trial run(problem, gap);
      run.forward(kernels_, /*row_by_row=*/true);
      expect_close(without_room(run, run.out, true), reference(problem, run.inputs()).out, 2e-6);
      EXPECT_TRUE(run.out.gaps_untouched());
    }
  }
}

TEST_P(AttentionShapeTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  for (const ShapeCase& which :
       {ShapeCase{{100, 3, 64, 31, 200}, shaped(4, 2, 32, 32, true, {70, kAll}), Terms::none, kShapeDropout},
        {{100, 3, 64, 31, 200}, shaped(4, 4, 32, 32), Terms::of_both, kShapeDropout},
        {{100, 3, 64, 31, 200}, shaped(4, 4, 32, 32), Terms::one_row, kShapeDropout}}) {
    const ShapeProblem problem(which);
    std::vector<std::vector<double>> results;
    for (const int threads : {1, 2, 3}) {
      omp_set_num_threads(threads);
      Trial run(problem);
      run.forward(kernels_);
      run.backward(kernels_);
      std::vector<double> values;
      for (const TestMatrix* matrix : {&run.out, &run.dq, &run.dk, &run.dv, &run.d_query_terms, &run.d_key_terms}) {
        const auto more = matrix->values();
        values.insert(values.end(), more.begin(), more.end());
      }
      results.push_back(values);
    }
    EXPECT_EQ(results[1], results[0]);
    EXPECT_EQ(results[2], results[0]);
  }
  omp_set_num_threads(before);
}

TEST_P(AttentionShapeTest, ScoresThatNobodySeesMayBeAnything) {
  const ShapeCase which{{70}, shaped(1, 1, 8, 8, true)};
  const ShapeProblem problem(which);
  Trial plain(problem);
  plain.forward(kernels_);
  Trial run(problem);
  // The last key is seen by the last query alone; so large a score would leave nothing of the others.
  for (std::int64_t c = 0; c < 8; ++c) run.k(69, c) = 1e4F;
  run.forward(kernels_);
  run.backward(kernels_);
  for (std::int64_t i = 0; i < 69; ++i)
    for (std::int64_t c = 0; c < 8; ++c) ASSERT_EQ(run.out(i, c), plain.out(i, c));
  for (const double x : run.dq.values()) EXPECT_TRUE(std::isfinite(x));
}

TEST_P(AttentionShapeTest, RefusesWhatDoesNotFit) {
  const auto expect_refusal = [&](const ShapeCase& which, const std::string& part) {
    const ShapeProblem problem(which);
    Trial run(problem);
    try {
      run.forward(kernels_);
      FAIL() << "expected a refusal with '" << part << "'";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
    EXPECT_THROW(run.backward(kernels_), Error);
  };
  expect_refusal({{4}, shaped(3, 2, 8, 8)}, "cannot share");
  expect_refusal({{4}, shaped(2, 2, 8, 8, false, {-1, 3})}, "leaves the token out");
  expect_refusal({{4}, shaped(2, 2, 8, 8, false, {}, -1.0F)}, "capped");
  expect_refusal({{4}, shaped(4, 2, 8, 8), Terms::of_queries}, "keys for each");

  const ShapeCase which{{9}, shaped(2, 2, 8, 8), Terms::one_row};
  ShapeProblem problem(which);
  problem.buckets.resize(5);
  Trial run(problem);
  EXPECT_THROW(run.forward(kernels_), Error) << "buckets that reach 2 places";
  const ShapeCase plain{{4}, shaped(2, 2, 8, 8)};
  const ShapeProblem of_eight(plain);
  Trial wide(of_eight);
  wide.k = TestMatrix(4, 32);
  EXPECT_THROW(wide.forward(kernels_), Error);
}

}  // namespace
}  // namespace temper
