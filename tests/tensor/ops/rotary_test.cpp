#include "tensor/ops/rotary.h"

#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class RotaryOps : public testing_support::OpsGradient {
 protected:
  Tensor positions_ = indices<std::uint32_t>({0, 1, 2, 7, 0, 300});
};

TEST_F(RotaryOps, GradientsOfFusedQueriesAndKeysMatchCentralDifferences) {
  const Variable x = leaf(random({6, 5}));
  const Variable weight = leaf(random({24, 5}, 0.5F));
  const RotaryAngles angles{{1.0F, 0.3F, 0.011F}, RotaryPairs::halves, 1.2F};
  check(
      [&](Tape& t) {
        // Three times 8 columns: two heads of 4 each of queries, keys, values. The last is not turned.
        const Variable fused = linear(t, x, weight, Variable());
        rotate(t, fused, {0, 2, 8}, positions_.data<std::uint32_t>(), angles);
        const Variable q = columns(t, fused, 0, 8);
        const Variable k = columns(t, fused, 8, 8);
        const Variable v = columns(t, fused, 16, 8);
        return add(t, multiply(t, q, k), v);
      },
      {x, weight}, 5e-3);
}

TEST_F(RotaryOps, HeadsFromAnyColumnOnAreTurned) {
  const Variable x(random({6, 14}));
  std::vector<float> before(x.value().span<float>().begin(), x.value().span<float>().end());
  const RotaryAngles angles{{1.0F, 0.3F}, RotaryPairs::neighbours};
  Tape t = tape(Tape::Mode::evaluation);
  rotate(t, x, {3, 2, 5}, positions_.data<std::uint32_t>(), angles);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::size_t column = i % 14;
    const bool turned = i >= 14 && column >= 3 && column < 13 && (column - 3) % 5 < 4 && i / 14 != 4;
    EXPECT_EQ(x.value().span<float>()[i] != before[i], turned) << "element " << i;
  }
}

TEST_F(RotaryOps, HeadsThatAreNotThereAreRefused) {
  const Variable x(random({6, 14}));
  Tape t = tape();
  const auto positions = positions_.data<std::uint32_t>();
  EXPECT_THROW(rotate(t, x, {0, 3, 5}, positions, {{1.0F, 0.3F}}), Error);
  EXPECT_THROW(rotate(t, x, {0, 2, 5}, positions, {{1.0F, 0.3F, 0.1F}}), Error);
}

}  // namespace
}  // namespace temper
