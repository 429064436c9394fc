// The ops of low-rank adapters: values by hand, gradients against central differences.
#include "tensor/ops/low_rank.h"

#include <vector>

#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

using testing_support::OpsGradient;

class LowRankOps : public OpsGradient {
 protected:
  Variable constant(const Shape& shape, const std::vector<float>& values) {
    return Variable(device_->upload(std::span<const float>(values), shape));
  }
  Tensor ones(std::int64_t count) {
    const std::vector<float> values(static_cast<std::size_t>(count), 1.0F);
    return device_->upload(std::span<const float>(values), Shape{count});
  }
};

TEST_F(LowRankOps, AProductIsAddedWhereItsSumLies) {
  Tape tape(*device_, Tape::Mode::evaluation);
  const Variable sum = constant({2, 3}, {1, 2, 3, 4, 5, 6});
  const Variable out = add_product(tape, sum, constant({2, 2}, {1, 0, 2, -1}), constant({3, 2}, {1, 1, 0, 2, 3, 0}));
  EXPECT_EQ(device_->download<float>(out.value()), (std::vector<float>{2, 2, 6, 5, 3, 12}));
  EXPECT_EQ(out.value().data<float>(), sum.value().data<float>());
  EXPECT_THROW((void)add_product(tape, sum, sum, constant({3, 2}, {1, 1, 0, 2, 3, 0})), Error);
}

TEST_F(LowRankOps, AddProductMatchesCentralDifferences) {
  const Variable x = leaf(random({5, 7}));
  const Variable weight = leaf(random({6, 7}, 0.4F));
  const Variable narrow = leaf(random({5, 2}));
  const Variable b = leaf(random({6, 2}));
  check([&](Tape& t) { return add_product(t, linear(t, x, weight, Variable()), narrow, b); }, {x, weight, narrow, b},
        5e-3);
  // What the adapter of an input that has both uses sends back is added up.
  for (const Variable& each : {x, weight, b}) each.bind_gradient(Tensor(), -1);
  const Variable a = leaf(random({2, 7}));
  check([&](Tape& t) { return add_product(t, linear(t, x, weight, Variable()), linear(t, x, a, Variable()), b); },
        {x, weight, a, b}, 1e-2);
}

TEST_F(LowRankOps, AddBiasMatchesCentralDifferences) {
  const Variable x = leaf(random({5, 6}));
  const Variable bias = leaf(random({6}));
  check([&](Tape& t) { return add_bias(t, scale(t, x, 2.0F), bias); }, {x, bias});
}

TEST_F(LowRankOps, ScaledColumnsMatchCentralDifferences) {
  const Variable x = leaf(random({5, 6}));
  const Variable magnitudes = leaf(random({6}));
  const Tensor inverse_norms = random({6}, 0.2F, 1.0F);
  const Tensor one = ones(6);
  check([&](Tape& t) { return scale_columns(t, x, magnitudes, inverse_norms, one); }, {x, magnitudes});
}

TEST_F(LowRankOps, RowsHaveTheirNormsInverted) {
  Tape tape(*device_, Tape::Mode::evaluation);
  const Variable x = constant({2, 3}, {2, 3, 6, 0, -0.25, 0});
  const std::vector<float> inverse = device_->download<float>(inverse_row_norms(tape, x.value(), ones(4)));
  EXPECT_NEAR(inverse[0], 1.0F / 7.0F, 1e-7F);
  EXPECT_NEAR(inverse[1], 4.0F, 1e-6F);
}

TEST_F(LowRankOps, InBf16AFactorNearOneIsNotRoundedToOne) {
  if (!device_->has_bf16()) GTEST_SKIP() << "skipped: no bf16";
  Tape tape(*device_, Tape::Mode::evaluation, {}, DType::bf16);
  // 1.003 is 1 in bf16, which would leave 1.5 as it is.
  const Variable x(Tensor::empty(device_->memory(), {1, 1}, DType::bf16));
  device_->kernels().run(calls::Copy{.x = constant({1, 1}, {1.5F}).value().as_rows(), .y = x.value().as_rows()});
  const Variable scaled = scale_columns(tape, x, constant({1}, {1.003F}), ones(1), ones(1));
  EXPECT_EQ(device_->download_as_f32(scaled.value()), std::vector<float>{1.5078125F});
}

}  // namespace
}  // namespace temper
