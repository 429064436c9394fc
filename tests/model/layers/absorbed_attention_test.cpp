#include "model/layers/absorbed_attention.h"

#include <numeric>
#include <vector>

#include "base/error.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"
#include "tensor/kernels/cpu/vector/vector_targets.h"
#include "tests/tensor/ops_gradient.h"
//
#include "hwy/highway.h"
#include "hwy/targets.h"

namespace temper {
namespace {

using testing_support::OpsGradient;

/// Three sequences of which some tokens ask.
class AttentionOverInputs : public OpsGradient {
 protected:
  Tensor starts_ = indices<std::int32_t>({0, 5, 6, 12});
  Tensor examples_ = indices<std::uint32_t>({4, 2, 11});
  Tensor query_starts_ = indices<std::int32_t>({0, 1, 2, 4});
  Tensor query_positions_ = indices<std::uint32_t>({3, 0, 0, 5});
  PackedSequences sequences_{12,
                             3,
                             starts_.data<std::int32_t>(),
                             examples_.data<std::uint32_t>(),
                             6,
                             query_starts_.data<std::int32_t>(),
                             query_positions_.data<std::uint32_t>()};
};

TEST_F(AttentionOverInputs, MatchesCentralDifferences) {
  const Variable q = leaf(random({4, 6}, 0.7F));
  const Variable x = leaf(random({12, 6}, 0.7F));
  const Variable key_weight = leaf(random({6, 6}, 0.7F));
  const Variable key_bias = leaf(random({6}, 0.7F));
  const Variable value_weight = leaf(random({6, 6}, 0.7F));
  const Variable value_bias = leaf(random({6}, 0.7F));
  const std::vector<Variable> leaves{q, x, key_weight, key_bias, value_weight, value_bias};
  for (const double rate : {0.0, 0.25}) {
    for (const Variable& leaf : leaves) leaf.bind_gradient(Tensor(), -1);
    check(
        [&](Tape& t) {
          return attention_over_inputs(t, q, x, {key_weight, key_bias}, {value_weight, value_bias}, sequences_, 2,
                                       t.dropout(rate, 1));
        },
        leaves, 5e-3);
  }
}

/// Of two such layers over the same inputs, whose gradients add up; one input after the other is frozen.
class AttentionOverInputsOfHeads : public AttentionOverInputs, public testing::WithParamInterface<std::int64_t> {};

TEST_P(AttentionOverInputsOfHeads, IsAttentionToTheirProjections) {
  const std::int64_t heads = GetParam();
  constexpr std::size_t kParts = 6;
  for (std::size_t frozen = 0; frozen <= kParts; ++frozen) {
    std::vector<std::vector<Tensor>> results;
    for (const bool over_inputs : {true, false}) {
      engine_.seed(5);
      const std::vector<Variable> in{leaf(random({4, 32})), leaf(random({12, 32})),       leaf(random({32, 32}, 0.2F)),
                                     leaf(random({32})),    leaf(random({32, 32}, 0.2F)), leaf(random({32}))};
      if (frozen < kParts) in[frozen].set_requires_gradient(false);
      Tape t = tape();
      results.emplace_back();
      for (const std::uint32_t place : {7U, 9U}) {
        const Dropout dropout = t.dropout(0.3, place);
        const Variable y =
            over_inputs
                ? attention_over_inputs(t, in[0], in[1], {in[2], in[3]}, {in[4], in[5]}, sequences_, heads, dropout)
                : attention(t, in[0], linear(t, in[1], in[2], in[3]), linear(t, in[1], in[4], in[5]), sequences_,
                            AttentionShape::plain(heads, 32 / heads), dropout);
        results.back().push_back(y.value());
        Tape::set_gradient(y, random({4, 32}));
      }
      t.backward();
      for (const Variable& variable : in)
        if (variable.requires_gradient()) results.back().push_back(variable.gradient());
    }
    ASSERT_EQ(results[0].size(), results[1].size());
    for (std::size_t r = 0; r < results[0].size(); ++r) {
      for (std::size_t i = 0; i < results[0][r].span<float>().size(); ++i)
        ASSERT_NEAR(results[0][r].span<float>()[i], results[1][r].span<float>()[i], 4e-5)
            << "result " << r << ", frozen " << frozen;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, AttentionOverInputsOfHeads, testing::Values(1, 4));

TEST_F(AttentionOverInputs, RefusesWhatItCannotCompute) {
  const Variable q = leaf(random({4, 32}));
  const Variable x = leaf(random({12, 32}));
  const Variable weight = leaf(random({32, 32}));
  const Variable bias = leaf(random({32}));
  const Variable narrow = leaf(random({32, 16}));
  const Variable none;
  Tape t = tape();
  EXPECT_THROW(attention_over_inputs(t, q, x, {narrow, bias}, {weight, bias}, sequences_, 4), Error);
  EXPECT_THROW(attention_over_inputs(t, q, x, {weight, bias}, {weight, none}, sequences_, 4), Error);
  EXPECT_THROW(attention_over_inputs(t, q, x, {weight, bias}, {weight, bias}, sequences_, 5), Error);
  Tape rounded(*device_, Tape::Mode::training, {}, DType::bf16);
  EXPECT_THROW(attention_over_inputs(rounded, q, x, {weight, bias}, {weight, bias}, sequences_, 4), Error);
}

/// Vector kernels of each instruction set, and with them different ways for products of few rows and of many.
std::vector<std::int64_t> instruction_sets() {
  limit_instruction_set();
  return hwy::SupportedAndGeneratedTargets();
}

class AttentionOverInputsOnEach : public OpsGradient, public testing::WithParamInterface<std::int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { choose_all_allowed_targets(); }
};
INSTANTIATE_TEST_SUITE_P(Cpu, AttentionOverInputsOnEach, testing::ValuesIn(instruction_sets()),
                         [](const auto& set) { return hwy::TargetName(set.param); });

TEST_P(AttentionOverInputsOnEach, GivesASequenceTheBitsThatItHasAmongMany) {
  constexpr std::int64_t kSequences = 40;
  constexpr std::int64_t kLength = 5;
  const Variable q = leaf(random({kSequences, 64}));
  const Variable x = leaf(random({kSequences * kLength, 64}));
  const Variable key_weight = leaf(random({64, 64}, 0.2F));
  const Variable value_weight = leaf(random({64, 64}, 0.2F));
  const Variable bias = leaf(random({64}));
  std::vector<std::int32_t> starts(kSequences + 1);
  for (std::size_t s = 0; s < starts.size(); ++s) starts[s] = static_cast<std::int32_t>(s) * kLength;
  std::vector<std::int32_t> query_starts(kSequences + 1);
  std::iota(query_starts.begin(), query_starts.end(), 0);
  const std::vector<std::uint32_t> examples(kSequences, 3);
  const std::vector<std::uint32_t> positions(kSequences, 0);
  const auto run = [&](std::int64_t first, std::int64_t count) {
    Tape t = tape(Tape::Mode::evaluation);
    const PackedSequences sequences{count * kLength,     count,           starts.data(), examples.data(), kLength,
                                    query_starts.data(), positions.data()};
    const Variable some_q(q.value().part(first * 64 * 4, {count, 64}, DType::f32));
    const Variable some_x(x.value().part(first * kLength * 64 * 4, {count * kLength, 64}, DType::f32));
    return attention_over_inputs(t, some_q, some_x, {key_weight, bias}, {value_weight, bias}, sequences, 2).value();
  };
  const Tensor all = run(0, kSequences);
  for (const std::int64_t count : {1, 7, 33}) {
    const Tensor some = run(6, count);
    for (std::int64_t i = 0; i < count * 64; ++i)
      ASSERT_EQ(some.data<float>()[i], all.data<float>()[6 * 64 + i]) << count << " sequences, element " << i;
  }
}

}  // namespace
}  // namespace temper
