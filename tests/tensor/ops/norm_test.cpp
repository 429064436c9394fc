#include "tensor/ops/norm.h"

#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class NormOps : public testing_support::OpsGradient {
 protected:
  Tensor examples_ = indices<std::uint32_t>({3, 3, 9, 9});
  Tensor positions_ = indices<std::uint32_t>({0, 1, 0, 1});
  TokenKeys names_{examples_.data<std::uint32_t>(), positions_.data<std::uint32_t>()};
};

TEST_F(NormOps, WithResidualAndDropoutMatchesCentralDifferences) {
  const Variable x = leaf(random({4, 24}));
  const Variable residual = leaf(random({4, 24}));
  const Variable weight = leaf(random({24}, 0.3F, 1.0F));
  const Variable bias = leaf(random({24}));
  check([&](Tape& t) { return layer_norm(t, x, residual, weight, bias, 1e-5F, names_, t.dropout(0.3, 4)); },
        {x, residual, weight, bias}, 1e-2);
}

TEST_F(NormOps, AloneMatchesCentralDifferencesWithAndWithoutBias) {
  const Variable x = leaf(random({3, 17}));
  const Variable weight = leaf(random({17}, 0.3F, 1.0F));
  const Variable bias = leaf(random({17}));
  check([&](Tape& t) { return layer_norm(t, x, Variable(), weight, bias, 1e-5F); }, {x, weight, bias}, 1e-2);
  for (const Variable& variable : {x, weight}) variable.bind_gradient(Tensor(), -1);
  check([&](Tape& t) { return layer_norm(t, x, Variable(), weight, Variable(), 1e-5F); }, {x, weight}, 1e-2);
}

TEST_F(NormOps, TheSumGoesOnBesideItsNorm) {
  const Variable x = leaf(random({4, 24}));
  const Variable residual = leaf(random({4, 24}));
  const Variable weight = leaf(random({24}, 0.3F, 1.0F));
  const std::vector<Variable> leaves{x, residual, weight};
  for (const double rate : {0.0, 0.3}) {
    for (const Variable& variable : leaves) variable.bind_gradient(Tensor(), -1);
    check(
        [&](Tape& t) {
          const NormedSum both = add_norm(t, x, residual, weight, Variable(), 1e-5F, names_, t.dropout(rate, 4));
          return add(t, scale(t, both.normed, 1.5F), both.sum);
        },
        leaves, 1e-2);
  }
}

// The stream of a block whose norms stand before its layers: each sum is read twice.
TEST_F(NormOps, ABlockWithNormsBeforeItsLayersMatchesCentralDifferences) {
  const Variable x = leaf(random({4, 12}));
  const Variable weight = leaf(random({12}, 0.3F, 1.0F));
  const Variable inner = leaf(random({12, 12}, 0.3F));
  const Variable outer = leaf(random({12, 12}, 0.3F));
  check(
      [&](Tape& t) {
        const Variable normed = layer_norm(t, x, Variable(), weight, Variable(), 1e-5F);
        const Variable attended = linear(t, normed, inner, Variable());
        const NormedSum middle = add_norm(t, attended, x, weight, Variable(), 1e-5F);
        return add(t, linear(t, middle.normed, outer, Variable(), Activation::gelu), middle.sum);
      },
      {x, weight, inner, outer}, 1e-2);
}

TEST_F(NormOps, EitherOutputMayBeTheOnlyOneThatIsUsed) {
  const Variable x = leaf(random({4, 24}));
  const Variable residual = leaf(random({4, 24}));
  const Variable weight = leaf(random({24}, 0.3F, 1.0F));
  check([&](Tape& t) { return add_norm(t, x, residual, weight, Variable(), 1e-5F).normed; }, {x, residual, weight},
        1e-2);
  for (const Variable& variable : {x, residual, weight}) variable.bind_gradient(Tensor(), -1);
  check([&](Tape& t) { return add_norm(t, x, residual, weight, Variable(), 1e-5F).sum; }, {x, residual});
  for (const float value : weight.gradient().span<float>()) EXPECT_EQ(value, 0.0F);
}

TEST_F(NormOps, AnInputThatIsItsOwnSumIsNotCopied) {
  const Variable x = leaf(random({4, 24}));
  const Variable weight(random({24}));
  Tape t = tape();
  const auto in_use = [&] { return static_cast<const HostMemory&>(device_->memory()).use().in_use; };
  const auto before = in_use();
  const Variable y = layer_norm(t, x, Variable(), weight, Variable(), 1e-5F);
  EXPECT_LT(in_use() - before, 2U * 4 * 24 * sizeof(float));
}

const NormShape kRms{1e-5F, NormKind::root_mean_square, 1.0F};

TEST_F(NormOps, RootMeanSquaresMatchCentralDifferences) {
  const Variable x = leaf(random({4, 24}));
  const Variable residual = leaf(random({4, 24}));
  const Variable weight = leaf(random({24}, 0.3F));
  check([&](Tape& t) { return layer_norm(t, x, Variable(), weight, Variable(), kRms); }, {x, weight}, 1e-2);
  for (const Variable& variable : {x, weight}) variable.bind_gradient(Tensor(), -1);
  check(
      [&](Tape& t) {
        const NormedSum both = add_norm(t, x, residual, weight, Variable(), kRms, names_, t.dropout(0.3, 4));
        return add(t, scale(t, both.normed, 1.5F), both.sum);
      },
      {x, residual, weight}, 1e-2);
}

TEST_F(NormOps, EachHeadIsNormedByItself) {
  const Variable x(random({4, 15}));
  for (const NormShape& shape : {kRms, NormShape(1e-5F)}) {
    for (const bool owns_weights : {false, true}) {
      const Variable weight(owns_weights ? random({3, 5}) : random({5}));
      Tape t = tape(Tape::Mode::evaluation);
      const Variable y = norm_heads(t, x, weight, 3, shape);
      for (std::int64_t head = 0; head < 3; ++head) {
        const Variable own(owns_weights ? weight.value().row_range(head, 1) : weight.value());
        const Variable expected = layer_norm(t, columns(t, x, 5 * head, 5), Variable(), own, Variable(), shape);
        for (std::int64_t row = 0; row < 4; ++row)
          for (std::int64_t j = 0; j < 5; ++j)
            EXPECT_EQ(y.value().data<float>()[row * 15 + head * 5 + j], expected.value().data<float>()[row * 5 + j]);
      }
    }
  }
}

TEST_F(NormOps, NormsOfHeadsMatchCentralDifferences) {
  for (const NormShape& shape : {kRms, NormShape(1e-5F)}) {
    for (const bool owns_weights : {false, true}) {
      const Variable x = leaf(random({4, 15}));
      const Variable weight = leaf(owns_weights ? random({3, 5}, 0.3F, 1.0F) : random({5}, 0.3F, 1.0F));
      check([&](Tape& t) { return norm_heads(t, x, weight, 3, shape); }, {x, weight}, 1e-2);
      // Of some columns of what one layer gives, and twice, so that gradients are added to.
      const Variable wide = leaf(random({4, 21}));
      weight.bind_gradient(Tensor(), -1);
      check(
          [&](Tape& t) {
            const Variable part = columns(t, wide, 4, 15);
            return add(t, norm_heads(t, part, weight, 3, shape), scale(t, norm_heads(t, part, weight, 3, shape), 0.5F));
          },
          {wide, weight}, 1e-2);
    }
  }
}

TEST_F(NormOps, WeightsThatFitNoHeadAreRefused) {
  const Variable x(random({4, 15}));
  Tape t = tape();
  EXPECT_THROW(norm_heads(t, x, Variable(random({4})), 3, kRms), Error);
  EXPECT_THROW(norm_heads(t, x, Variable(random({5})), 4, kRms), Error);
}

}  // namespace
}  // namespace temper
