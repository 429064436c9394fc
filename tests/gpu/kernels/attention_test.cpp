#include <numeric>

#include "base/error.h"
#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

const Dropout kDropout{.rate = 0.2F, .place = 6, .key = random_key(11, 12)};

/// Which tokens of a sequence ask: every one, or those at these positions.
using QueryTokens = std::vector<std::uint32_t>;

struct Case {
  std::vector<std::int32_t> lengths;
  std::int64_t heads;
  std::int64_t width;  ///< of a head
  Dropout dropout;
  Lie lie = Lie::packed;
  std::vector<QueryTokens> query_tokens = {};  ///< one per sequence; none: every token is a query
  float spread = 1.0F;                         ///< of queries and keys
  float scale_sign = 1.0F;
};

/// All matrices of a call, on both devices. q, k and v are columns of one matrix [tokens, 3 heads width] where every
/// token is a query and nothing lies askew, and so are their gradients; else q is one of its own.
class Problem {
 public:
  Problem(Device& gpu, DType type, const Case& which)
      : gpu_(gpu),
        which_(which),
        starts_(gpu, starts_of(which.lengths)),
        examples_(gpu, examples_of(which.lengths.size())),
        query_starts_(gpu, query_starts_of(which)),
        positions_(gpu, positions_of(which)),
        tokens_(starts_.cpu_values().back()),
        queries_(which.query_tokens.empty() ? tokens_ : query_starts_.cpu_values().back()),
        columns_(which.heads * which.width),
        joined_(which.query_tokens.empty() && which.lie != Lie::askew),
        inputs_(TwinMatrix::random(gpu, type, tokens_, 3 * columns_, 1, which.lie, which.spread)),
        own_q_(TwinMatrix::random(gpu, type, queries_, columns_, 2, which.lie, which.spread)),
        d_out_(TwinMatrix::random(gpu, type, queries_, columns_, 3, which.lie)),
        out_(gpu, type, queries_, columns_, which.lie),
        log_sum_exp_(gpu, DType::f32, which.heads, queries_),
        gradients_(gpu, type, tokens_, (joined_ ? 3 : 2) * columns_, which.lie),
        own_dq_(gpu, type, queries_, columns_, which.lie) {}

  TwinMatrix& inputs() { return inputs_; }
  TwinMatrix& d_out() { return d_out_; }
  TwinMatrix& out() { return out_; }
  TwinMatrix& gradients() { return gradients_; }

  void run_on_cpu(Kernels& kernels, bool backward = true) {
    const PackedSequences sequences = cut([](auto& array) { return array.cpu(); });
    const Matrix q = joined_ ? columns_from(inputs_.cpu(), 2) : own_q_.cpu();
    const Matrix dq = joined_ ? columns_from(gradients_.cpu(), 2) : own_dq_.cpu();
    const Matrix k = columns_from(inputs_.cpu(), 0);
    const Matrix v = columns_from(inputs_.cpu(), 1);
    kernels.run(calls::AttentionForward{.q = q,
                                        .k = k,
                                        .v = v,
                                        .sequences = sequences,
                                        .shape = AttentionShape::plain(which_.heads, which_.width, scale()),
                                        .dropout = which_.dropout,
                                        .out = out_.cpu(),
                                        .log_sum_exp = log_sum_exp_.cpu().data});
    if (!backward) return;
    kernels.run(calls::AttentionBackward{.q = q,
                                         .k = k,
                                         .v = v,
                                         .out = out_.cpu(),
                                         .d_out = d_out_.cpu(),
                                         .log_sum_exp = log_sum_exp_.cpu().data,
                                         .sequences = sequences,
                                         .shape = AttentionShape::plain(which_.heads, which_.width, scale()),
                                         .dropout = which_.dropout,
                                         .dq = dq,
                                         .dk = columns_from(gradients_.cpu(), 0),
                                         .dv = columns_from(gradients_.cpu(), 1)});
  }
  void run_on_gpu(Kernels& kernels, bool backward = true) {
    const PackedSequences sequences = cut([](auto& array) { return array.gpu(); });
    const Rows q = joined_ ? columns_from(inputs_.gpu(), 2) : own_q_.gpu();
    const Rows dq = joined_ ? columns_from(gradients_.gpu(), 2) : own_dq_.gpu();
    const Rows k = columns_from(inputs_.gpu(), 0);
    const Rows v = columns_from(inputs_.gpu(), 1);
    kernels.run(calls::AttentionForward{.q = q,
                                        .k = k,
                                        .v = v,
                                        .sequences = sequences,
                                        .shape = AttentionShape::plain(which_.heads, which_.width, scale()),
                                        .dropout = which_.dropout,
                                        .out = out_.gpu(),
                                        .log_sum_exp = backward ? log_sum_exp_.gpu_floats() : nullptr});
    if (!backward) return;
    kernels.run(calls::AttentionBackward{.q = q,
                                         .k = k,
                                         .v = v,
                                         .out = out_.gpu(),
                                         .d_out = d_out_.gpu(),
                                         .log_sum_exp = log_sum_exp_.gpu_floats(),
                                         .sequences = sequences,
                                         .shape = AttentionShape::plain(which_.heads, which_.width, scale()),
                                         .dropout = which_.dropout,
                                         .dq = dq,
                                         .dk = columns_from(gradients_.gpu(), 0),
                                         .dv = columns_from(gradients_.gpu(), 1)});
  }
  void expect_agreement(double outputs, double sums, double gradients) const {
    out_.expect_agreement(gpu_, outputs);
    log_sum_exp_.expect_agreement(gpu_, sums);
    gradients_.expect_agreement(gpu_, gradients);
    if (!joined_) own_dq_.expect_agreement(gpu_, gradients);
  }

 private:
  static std::vector<std::int32_t> starts_of(const std::vector<std::int32_t>& lengths) {
    std::vector<std::int32_t> starts{0};
    for (const std::int32_t length : lengths) starts.push_back(starts.back() + length);
    return starts;
  }
  static std::vector<std::uint32_t> examples_of(std::size_t sequences) {
    std::vector<std::uint32_t> examples(sequences);
    std::iota(examples.begin(), examples.end(), 1000U);
    return examples;
  }
  static std::vector<std::int32_t> query_starts_of(const Case& which) {
    std::vector<std::int32_t> lengths;
    for (const QueryTokens& query_tokens : which.query_tokens)
      lengths.push_back(static_cast<std::int32_t>(query_tokens.size()));
    return starts_of(lengths);
  }
  static std::vector<std::uint32_t> positions_of(const Case& which) {
    std::vector<std::uint32_t> positions;
    for (const QueryTokens& query_tokens : which.query_tokens)
      positions.insert(positions.end(), query_tokens.begin(), query_tokens.end());
    return positions;
  }

  [[nodiscard]] float scale() const { return which_.scale_sign / std::sqrt(static_cast<float>(which_.width)); }
  template <typename Side>
  PackedSequences cut(const Side& side) {
    PackedSequences sequences;
    sequences.tokens = tokens_;
    sequences.sequences = static_cast<std::int64_t>(which_.lengths.size());
    sequences.starts = side(starts_);
    sequences.examples = side(examples_);
    for (const std::int64_t length : which_.lengths) sequences.longest = std::max(sequences.longest, length);
    if (which_.query_tokens.empty()) return sequences;
    sequences.query_starts = side(query_starts_);
    sequences.query_positions = side(positions_);
    return sequences;
  }
  [[nodiscard]] Matrix columns_from(const Matrix& matrix, std::int64_t part) const {
    return {matrix.data + part * columns_, matrix.rows, columns_, matrix.stride};
  }
  [[nodiscard]] Rows columns_from(const Rows& rows, std::int64_t part) const {
    auto* data = static_cast<std::byte*>(rows.data) + part * columns_ * static_cast<std::int64_t>(size_of(rows.type));
    return {data, rows.rows, columns_, rows.stride, rows.type};
  }

  Device& gpu_;
  const Case& which_;
  TwinArray<std::int32_t> starts_;
  TwinArray<std::uint32_t> examples_;
  TwinArray<std::int32_t> query_starts_;
  TwinArray<std::uint32_t> positions_;
  std::int64_t tokens_;
  std::int64_t queries_;
  std::int64_t columns_;
  bool joined_;
  TwinMatrix inputs_;
  TwinMatrix own_q_;
  TwinMatrix d_out_;
  TwinMatrix out_;
  TwinMatrix log_sum_exp_;
  TwinMatrix gradients_;
  TwinMatrix own_dq_;
};

class GpuAttentionTest : public GpuActivationsTest {
 protected:
  /// In bf16 the probabilities and the gradients of the scores are rounded, too, before they are summed.
  static void expect_agreement(const Problem& problem) {
    if (type() == DType::f32)
      problem.expect_agreement(2e-6, 1e-6, 5e-6);
    else
      problem.expect_agreement(8e-3, 1e-5, 1.2e-2);
  }
  static void expect_match(const Case& which) {
    SCOPED_TRACE(testing::Message() << "heads of " << which.width << ", longest sequence of "
                                    << *std::max_element(which.lengths.begin(), which.lengths.end()));
    Problem problem(gpu(), type(), which);
    problem.run_on_cpu(on_cpu());
    problem.run_on_gpu(on_gpu());
    expect_agreement(problem);
  }
};
TEMPER_FOR_EACH_TYPE(GpuAttentionTest);

TEST_P(GpuAttentionTest, MatchesCpu) {
  expect_match({{17, 1, 130}, 2, 32, {}});
  expect_match({{63, 2}, 3, 64, {}});
  expect_match({{65, 17}, 2, 64, {}, Lie::gaps});
  expect_match({{65, 1}, 1, 128, {}});
}

TEST_P(GpuAttentionTest, MatchesCpuWithDropout) {
  expect_match({{64, 2, 33}, 2, 32, kDropout});
  expect_match({{17, 63}, 2, 64, kDropout});
  expect_match({{130, 1}, 2, 64, kDropout});
  expect_match({{65, 2}, 2, 128, kDropout});
}

TEST_P(GpuAttentionTest, MatchesCpuInWidthsThatFillNoTile) {
  expect_match({{17, 65}, 3, 12, kDropout});
  expect_match({{63, 17}, 2, 48, kDropout});
  expect_match({{65, 1}, 2, 80, kDropout});
  expect_match({{33, 2}, 1, 256, kDropout});
  expect_match({{40}, 1, 200, {}});
}

TEST_P(GpuAttentionTest, MatchesCpuInRowsThatLieAskew) {
  expect_match({{17, 2}, 2, 32, kDropout, Lie::askew});
  expect_match({{20, 3}, 1, 112, {}, Lie::askew});
  expect_match({{17, 1}, 1, 9, kDropout, Lie::askew});
}

TEST_P(GpuAttentionTest, MatchesCpuWhereSomeTokensAsk) {
  QueryTokens most(68);
  std::iota(most.begin(), most.end(), 3U);
  expect_match({{17, 64, 100}, 2, 32, kDropout, Lie::packed, {{0, 16}, {}, {99, 5, 64}}});
  expect_match({{2, 75, 65}, 1, 64, kDropout, Lie::packed, {{}, most, {0}}});
  expect_match({{40, 75}, 1, 64, {}, Lie::gaps, {{7}, most}});
  expect_match({{9, 33}, 2, 12, kDropout, Lie::packed, {{8, 0}, {}}});
}

TEST_P(GpuAttentionTest, WhereNobodyAsksGradientsAreZero) {
  for (const std::int64_t width : {64, 12}) {
    const Case which{{5, 70}, 2, width, kDropout, Lie::packed, {{}, {}}};
    Problem problem(gpu(), type(), which);
    problem.run_on_gpu(on_gpu());
    const Matrix gradients = problem.gradients().cpu();
    std::fill_n(gradients.data, gradients.rows * gradients.columns, 0.0F);
    problem.gradients().expect_agreement(gpu(), 0.0);
  }
}

TEST_P(GpuAttentionTest, MatchesCpuWhereScoresAreFarApart) {
  for (const std::int64_t width : {64, 12}) expect_match({{21, 70}, 1, width, {}, Lie::packed, {}, 3.0F});
}

TEST_P(GpuAttentionTest, MatchesCpuWhereScoresAreFarFromZero) {
  for (const std::int64_t width : {64, 12}) {
    const Case which{{21, 70}, 1, width, {}, Lie::packed, {}, 3.0F};
    // Keys that all queries are far from, so that what is beyond the last key would weigh more than any of them.
    Problem problem(gpu(), type(), which);
    for (std::int64_t token = 0; token < 91; ++token) {
      for (std::int64_t column = 0; column < width; ++column) {
        problem.inputs()(token, column) = -8.0F - problem.inputs()(token, column) * 0.125F;
        problem.inputs()(token, 2 * width + column) = 8.0F + problem.inputs()(token, 2 * width + column) * 0.125F;
      }
    }
    problem.inputs().upload(gpu());
    problem.run_on_cpu(on_cpu());
    problem.run_on_gpu(on_gpu());
    if (type() == DType::f32)
      problem.expect_agreement(1e-5, 1e-6, 1e-4);
    else
      expect_agreement(problem);
  }
}

TEST_P(GpuAttentionTest, MatchesCpuWithANegativeScale) {
  expect_match({{21}, 2, 32, kDropout, Lie::packed, {}, 1.0F, -1.0F});
}

TEST_P(GpuAttentionTest, ForwardNeedNotKeepLogSumExp) {
  for (const std::int64_t width : {64, 12}) {
    const Case which{{17, 70}, 1, width, kDropout};
    Problem problem(gpu(), type(), which);
    problem.run_on_cpu(on_cpu(), false);
    problem.run_on_gpu(on_gpu(), false);
    problem.out().expect_agreement(gpu(), type() == DType::f32 ? 2e-6 : 8e-3);
  }
}

TEST_P(GpuAttentionTest, GivesTheSameBitsTwice) {
  for (const std::int64_t width : {64, 12}) {
    const Case which{{70, 17}, 1, width, kDropout};
    std::vector<std::vector<float>> results;
    for (int i = 0; i < 2; ++i) {
      Problem problem(gpu(), type(), which);
      problem.run_on_gpu(on_gpu());
      results.push_back(problem.out().gpu_block(gpu()));
      results.push_back(problem.gradients().gpu_block(gpu()));
    }
    EXPECT_EQ(results[2], results[0]);
    EXPECT_EQ(results[3], results[1]);
  }
}

TEST_P(GpuAttentionTest, TakesNoSequencesAtAll) {
  const Case which{{}, 2, 32, kDropout};
  Problem problem(gpu(), type(), which);
  problem.run_on_gpu(on_gpu());
  gpu().synchronize();
}

TEST_P(GpuAttentionTest, RefusesHeadsThatAreTooWide) {
  const Case which{{3}, 1, 272, {}};
  Problem problem(gpu(), type(), which);
  EXPECT_THROW(problem.run_on_gpu(on_gpu()), Error);
}

TEST_P(GpuAttentionTest, RefusesMatricesOfTwoTypes) {
  const TwinMatrix x = TwinMatrix::random(gpu(), DType::f32, 3, 32, 1);
  const TwinMatrix y = TwinMatrix::random(gpu(), DType::bf16, 3, 32, 1);
  EXPECT_THROW(on_gpu().run(calls::AttentionForward{.q = x.gpu(),
                                                    .k = x.gpu(),
                                                    .v = y.gpu(),
                                                    .sequences = {},
                                                    .shape = AttentionShape::plain(1, 32, 1.0F),
                                                    .out = x.gpu()}),
               Error);
}

}  // namespace
}  // namespace temper
