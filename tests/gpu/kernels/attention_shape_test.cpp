// Attention of every shape on the GPU: what tests/tensor/kernels/attention_shape_test.cpp compares with plain loops.
#include <numeric>

#include "tests/gpu/gpu_testing.h"
#include "tests/tensor/kernels/attention_case.h"

namespace temper {
namespace {

const Dropout kShapeDropout{.rate = 0.2F, .place = 6, .key = random_key(11, 12)};
constexpr std::int64_t kAll = AttentionWindow::kUnlimited;
constexpr std::int64_t kBuckets = testing_support::kTermBuckets;
constexpr std::int64_t kFirstBucket = testing_support::kFirstTermBucket;
using testing_support::shaped;
using testing_support::Terms;
using ShapeCase = testing_support::AttentionCase;

/// Ends of stretches of so many rows each, the first at 0.
std::vector<std::int32_t> starts_of(const std::vector<std::int32_t>& lengths, std::int32_t room) {
  std::vector<std::int32_t> starts{0};
  for (const std::int32_t length : lengths) starts.push_back(starts.back() + length + room);
  return starts;
}
std::vector<std::int32_t> counts_of(const std::vector<std::vector<std::uint32_t>>& query_tokens) {
  std::vector<std::int32_t> counts;
  for (const auto& positions : query_tokens) counts.push_back(static_cast<std::int32_t>(positions.size()));
  return counts;
}
std::vector<std::uint32_t> joined(const std::vector<std::vector<std::uint32_t>>& query_tokens) {
  std::vector<std::uint32_t> all;
  for (const auto& positions : query_tokens) all.insert(all.end(), positions.begin(), positions.end());
  return all;
}
std::vector<std::uint32_t> names_of(std::size_t sequences) {
  std::vector<std::uint32_t> names(sequences);
  std::iota(names.begin(), names.end(), 1000U);
  return names;
}

class ShapeProblem {
 public:
  ShapeProblem(Device& gpu, DType type, const ShapeCase& which)
      : gpu_(gpu),
        the_(which),
        longest_(*std::max_element(which.lengths.begin(), which.lengths.end())),
        starts_(gpu, starts_of(which.lengths, which.room)),
        lengths_(gpu, which.lengths),
        query_starts_(gpu, starts_of(counts_of(which.query_tokens), 0)),
        positions_(gpu, joined(which.query_tokens)),
        examples_(gpu, names_of(which.lengths.size())),
        buckets_(gpu, testing_support::term_buckets(longest_ + 4)),
        tokens_(starts_.cpu_values().back()),
        queries_(which.query_tokens.empty() ? tokens_ : query_starts_.cpu_values().back()),
        q_(drawn(type, queries_, heads() * shape().head_width, 1)),
        k_(drawn(type, tokens_, shape().key_heads * shape().head_width, 2)),
        v_(drawn(type, tokens_, shape().key_heads * shape().value_width, 3)),
        d_out_(drawn(type, queries_, heads() * shape().value_width, 4)),
        query_terms_(one_row() ? drawn(DType::f32, kBuckets, heads(), 5)
                               : drawn(type, has_query_terms() ? queries_ : 0, heads() * kBuckets, 5)),
        key_terms_(drawn(type, has_key_terms() ? tokens_ : 0, heads() * kBuckets, 6)),
        // Results lie where numbers were that both devices have, so that what must not be touched shows.
        out_(drawn(type, queries_, heads() * shape().value_width, 7)),
        log_sum_exp_(gpu, DType::f32, heads(), queries_),
        dq_(drawn(type, queries_, heads() * shape().head_width, 8)),
        dk_(drawn(type, tokens_, shape().key_heads * shape().head_width, 9)),
        dv_(drawn(type, tokens_, shape().key_heads * shape().value_width, 10)),
        d_query_terms_(one_row() ? drawn(DType::f32, kBuckets, heads(), 11)
                                 : drawn(type, has_query_terms() ? queries_ : 0, heads() * kBuckets, 11)),
        d_key_terms_(drawn(type, has_key_terms() ? tokens_ : 0, heads() * kBuckets, 12)) {}

  void run_on_cpu(Kernels& kernels) {
    run(
        kernels, [](auto& twin) { return twin.cpu(); }, log_sum_exp_.cpu().data);
  }
  void run_on_gpu(Kernels& kernels) {
    run(
        kernels, [](auto& twin) { return twin.gpu(); }, log_sum_exp_.gpu_floats());
  }
  void expect_agreement(double outputs, double gradients) const {
    out_.expect_agreement(gpu_, outputs);
    for (const TwinMatrix* matrix : {&dq_, &dk_, &dv_, &d_query_terms_, &d_key_terms_})
      matrix->expect_agreement(gpu_, gradients);
  }
  [[nodiscard]] std::vector<std::vector<float>> results() const {
    std::vector<std::vector<float>> all;
    for (const TwinMatrix* matrix : {&out_, &dq_, &dk_, &dv_, &d_query_terms_, &d_key_terms_})
      all.push_back(matrix->gpu_block(gpu_));
    return all;
  }

 private:
  [[nodiscard]] const AttentionShape& shape() const { return the_.shape; }
  [[nodiscard]] std::int64_t heads() const { return shape().query_heads; }
  [[nodiscard]] bool one_row() const { return the_.terms == Terms::one_row; }
  [[nodiscard]] bool has_query_terms() const { return the_.terms == Terms::of_both || one_row(); }
  [[nodiscard]] bool has_key_terms() const { return the_.terms == Terms::of_both || the_.terms == Terms::of_keys; }
  TwinMatrix drawn(DType type, std::int64_t rows, std::int64_t columns, unsigned seed) {
    return TwinMatrix::random(gpu_, type, rows, columns, seed);
  }
  template <typename Void>
  [[nodiscard]] TermsOf<Void> as_terms(const RowsOf<Void>& rows, bool shared) const {
    if (shared) return {rows.data, 0, 1, rows.stride, rows.type};
    return {rows.data, rows.stride, kBuckets, 1, rows.type};
  }

  template <typename Side>
  void run(Kernels& kernels, const Side& side, float* log_sum_exp) {
    PackedSequences sequences{tokens_, static_cast<std::int64_t>(the_.lengths.size()), side(starts_), side(examples_),
                              longest_};
    if (the_.room > 0) sequences.lengths = side(lengths_);
    if (!the_.query_tokens.empty()) {
      sequences.query_starts = side(query_starts_);
      sequences.query_positions = side(positions_);
    }
    RelativeTerms relative;
    RelativeGradients gradients;
    if (has_query_terms()) {
      relative.query = as_terms<const void>(ConstRows(side(query_terms_)), one_row());
      gradients.query = as_terms<void>(Rows(side(d_query_terms_)), one_row());
    }
    if (has_key_terms()) {
      relative.key = as_terms<const void>(ConstRows(side(key_terms_)), false);
      gradients.key = as_terms<void>(Rows(side(d_key_terms_)), false);
    }
    if (relative.any()) {
      relative.buckets = side(buckets_);
      relative.reach = longest_ + 4;
      relative.first_bucket = kFirstBucket;
      relative.count = kBuckets;
      relative.scale = 0.7F;
    }
    kernels.run(calls::AttentionForward{.q = side(q_),
                                        .k = side(k_),
                                        .v = side(v_),
                                        .sequences = sequences,
                                        .shape = shape(),
                                        .relative = relative,
                                        .dropout = the_.dropout,
                                        .out = side(out_),
                                        .log_sum_exp = log_sum_exp});
    kernels.run(calls::AttentionBackward{.q = side(q_),
                                         .k = side(k_),
                                         .v = side(v_),
                                         .out = side(out_),
                                         .d_out = side(d_out_),
                                         .log_sum_exp = log_sum_exp,
                                         .sequences = sequences,
                                         .shape = shape(),
                                         .relative = relative,
                                         .dropout = the_.dropout,
                                         .dq = side(dq_),
                                         .dk = side(dk_),
                                         .dv = side(dv_),
                                         .d_relative = gradients});
  }

  Device& gpu_;
  const ShapeCase& the_;
  std::int64_t longest_;
  TwinArray<std::int32_t> starts_;
  TwinArray<std::int32_t> lengths_;
  TwinArray<std::int32_t> query_starts_;
  TwinArray<std::uint32_t> positions_;
  TwinArray<std::uint32_t> examples_;
  TwinArray<std::int32_t> buckets_;
  std::int64_t tokens_;
  std::int64_t queries_;
  TwinMatrix q_;
  TwinMatrix k_;
  TwinMatrix v_;
  TwinMatrix d_out_;
  TwinMatrix query_terms_;
  TwinMatrix key_terms_;
  TwinMatrix out_;
  TwinMatrix log_sum_exp_;
  TwinMatrix dq_;
  TwinMatrix dk_;
  TwinMatrix dv_;
  TwinMatrix d_query_terms_;
  TwinMatrix d_key_terms_;
};

class GpuAttentionShapeTest : public GpuActivationsTest {
 protected:
  static void expect_match(const ShapeCase& which) {
    SCOPED_TRACE(testing::Message() << which.shape.query_heads << " heads on " << which.shape.key_heads << " of "
                                    << which.shape.head_width << ", terms " << static_cast<int>(which.terms));
    ShapeProblem problem(gpu(), type(), which);
    problem.run_on_cpu(on_cpu());
    problem.run_on_gpu(on_gpu());
    type() == DType::f32 ? problem.expect_agreement(3e-6, 8e-6) : problem.expect_agreement(8e-3, 1.2e-2);
  }
};
TEMPER_FOR_EACH_TYPE(GpuAttentionShapeTest);

TEST_P(GpuAttentionShapeTest, HeadsThatShareKeysMatchCpu) {
  expect_match({{17, 1, 70}, shaped(4, 2, 32, 32), Terms::none, kShapeDropout});
  expect_match({{40}, shaped(3, 1, 12, 12)});
}

TEST_P(GpuAttentionShapeTest, WindowsMatchCpu) {
  expect_match({{1, 2, 33, 65}, shaped(2, 2, 32, 32, true)});
  expect_match({{100, 9}, shaped(2, 1, 16, 16, true, {10, kAll}), Terms::none, kShapeDropout});
  expect_match({{100}, shaped(1, 1, 64, 64, false, {40, 3})});
  expect_match({{40, 70}, shaped(1, 1, 16, 16, false, {1, 0})});
}

TEST_P(GpuAttentionShapeTest, CapsAndValuesOfAnotherWidthMatchCpu) {
  expect_match({{20, 5}, shaped(2, 2, 16, 16, false, {}, 2.0F), Terms::none, kShapeDropout});
  expect_match({{20, 5}, shaped(2, 2, 16, 40)});
  expect_match({{20, 5}, shaped(2, 2, 40, 7, true, {}, 4.0F)});
}

TEST_P(GpuAttentionShapeTest, RoomBehindSequencesIsLeftAlone) {
  expect_match({{11, 2, 40}, shaped(4, 2, 16, 16, true), Terms::none, kShapeDropout, 3});
  expect_match({{11, 40}, shaped(2, 2, 32, 32), Terms::none, {}, 5});
  expect_match({{11, 2, 40}, shaped(4, 2, 16, 16, true), Terms::none, kShapeDropout, 2, {{10}, {1}, {39}}});
}

TEST_P(GpuAttentionShapeTest, TermsOfDistancesMatchCpu) {
  expect_match({{40, 0, 7}, shaped(2, 2, 16, 16), Terms::of_both, kShapeDropout});
  expect_match({{33, 2}, shaped(3, 3, 8, 8), Terms::of_keys});
  expect_match({{40, 7}, shaped(2, 2, 16, 16), Terms::one_row});
  expect_match({{40, 7}, shaped(3, 3, 7, 5, true, {20, kAll}, 4.0F), Terms::of_both, kShapeDropout, 2});
  expect_match({{40, 9, 7}, shaped(2, 2, 8, 8), Terms::of_both, kShapeDropout, 0, {{5, 39}, {}, {0}}});
  expect_match({{40, 9, 7}, shaped(2, 2, 8, 8), Terms::one_row, kShapeDropout, 0, {{5, 39}, {}, {0}}});
}

TEST_P(GpuAttentionShapeTest, GivesTheSameBitsTwice) {
  const ShapeCase which{{40, 7}, shaped(2, 2, 16, 16), Terms::one_row, kShapeDropout};
  std::vector<std::vector<std::vector<float>>> results;
  for (int i = 0; i < 2; ++i) {
    ShapeProblem problem(gpu(), type(), which);
    problem.run_on_gpu(on_gpu());
    results.push_back(problem.results());
  }
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace temper
