#include "tensor/tape.h"

#include <gtest/gtest.h>

#include <vector>

#include "tensor/ops.h"

namespace temper {
namespace {

class TapeTest : public testing::Test {
 protected:
  Variable make(const Shape& shape, float value, bool requires_gradient) {
    const Tensor tensor = Tensor::empty(device_->memory(), shape);
    device_->kernels().fill(tensor.data<float>(), value, tensor.size());
    return Variable(tensor, requires_gradient);
  }
  Variable make_leaf(const Shape& shape, float value, std::int64_t leaf) {
    Variable variable = make(shape, value, true);
    variable.bind_gradient(Tensor::empty(device_->memory(), shape), leaf);
    return variable;
  }
  Variable seeded(const Variable& out) {
    const Tensor gradient = Tensor::empty(device_->memory(), out.shape());
    device_->kernels().fill(gradient.data<float>(), 1.0F, gradient.size());
    Tape::set_gradient(out, gradient);
    return out;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(TapeTest, RecordsNothingBelowTheFirstTrainableWeight) {
  Tape tape(*device_, Tape::Mode::training);
  const Variable x = make({3, 4}, 1.0F, false);
  const Variable frozen = make({4, 4}, 0.5F, false);
  const Variable hidden = linear(tape, x, frozen, Variable(), Activation::gelu);
  EXPECT_EQ(tape.recorded(), 0U);
  EXPECT_FALSE(hidden.requires_gradient());
  const Variable trained = make_leaf({4, 4}, 0.5F, 0);
  seeded(linear(tape, hidden, trained, Variable()));
  EXPECT_EQ(tape.recorded(), 1U);
  tape.backward();
  EXPECT_FALSE(hidden.gradient().defined());
  EXPECT_FALSE(frozen.gradient().defined());
}

TEST_F(TapeTest, RecordsNothingInEvaluation) {
  Tape tape(*device_, Tape::Mode::evaluation);
  linear(tape, make({3, 4}, 1.0F, false), make_leaf({2, 4}, 0.5F, 0), Variable());
  EXPECT_EQ(tape.recorded(), 0U);
}

TEST_F(TapeTest, AddsTheGradientsOfAWeightThatIsUsedTwiceAndReportsItOnce) {
  Tape tape(*device_, Tape::Mode::training);
  const Variable weight = make_leaf({4, 4}, 0.5F, 7);
  const Variable x = make({1, 4}, 1.0F, false);
  const Variable hidden = linear(tape, x, weight, Variable());  // every element 2
  seeded(linear(tape, hidden, weight, Variable()));
  std::vector<std::int64_t> completed;
  tape.backward([&](std::int64_t leaf) { completed.push_back(leaf); });
  EXPECT_EQ(completed, std::vector<std::int64_t>{7});
  // d/dW of the outer use is dy^T hidden = 2, of the inner (W^T dy)^T x = 2.
  for (const float value : weight.gradient().span<float>()) EXPECT_FLOAT_EQ(value, 4.0F);
}

TEST_F(TapeTest, ReportsWeightsInTheOrderInWhichBackwardFinishesThem) {
  Tape tape(*device_, Tape::Mode::training);
  Variable hidden = make({2, 4}, 1.0F, false);
  for (std::int64_t leaf = 0; leaf < 3; ++leaf)
    hidden = linear(tape, hidden, make_leaf({4, 4}, 0.1F, leaf), Variable());
  seeded(hidden);
  std::vector<std::int64_t> completed;
  tape.backward([&](std::int64_t leaf) { completed.push_back(leaf); });
  EXPECT_EQ(completed, (std::vector<std::int64_t>{2, 1, 0}));
}

TEST_F(TapeTest, ASecondMicroBatchAddsToTheFirst) {
  const Variable weight = make_leaf({2, 4}, 0.5F, 0);
  for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
    Tape tape(*device_, Tape::Mode::training);
    seeded(linear(tape, make({3, 4}, 1.0F, false), weight, Variable()));
    tape.backward();
  }
  for (const float value : weight.gradient().span<float>()) EXPECT_FLOAT_EQ(value, 6.0F);
}

TEST_F(TapeTest, FreesActivationsAsBackwardGoes) {
  const auto& memory = static_cast<const HostMemory&>(device_->memory());
  const Variable weight = make_leaf({64, 64}, 0.01F, 0);
  const std::size_t before = memory.use().in_use;
  {
    Tape tape(*device_, Tape::Mode::training);
    Variable hidden = make({64, 64}, 1.0F, false);
    for (int layer = 0; layer < 4; ++layer) hidden = linear(tape, hidden, weight, Variable(), Activation::gelu);
    seeded(hidden);
    hidden = Variable();
    tape.backward();
  }
  EXPECT_EQ(memory.use().in_use, before);
}

}  // namespace
}  // namespace temper
