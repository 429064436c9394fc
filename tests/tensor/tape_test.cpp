#include "tensor/tape.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "tensor/ops.h"

namespace temper {
namespace {

class TapeTest : public testing::Test {
 protected:
  Variable make(const Shape& shape, float value, bool requires_gradient) {
    const Tensor tensor = Tensor::empty(device_->memory(), shape);
    std::fill_n(tensor.data<float>(), tensor.size(), value);
    return Variable(tensor, requires_gradient);
  }
  Variable make_leaf(const Shape& shape, float value, std::int64_t leaf) {
    Variable variable = make(shape, value, true);
    variable.bind_gradient(Tensor::empty(device_->memory(), shape), leaf);
    return variable;
  }
  Variable seeded(const Variable& out) {
    const Tensor gradient = Tensor::empty(device_->memory(), out.shape());
    std::fill_n(gradient.data<float>(), gradient.size(), 1.0F);
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

TEST_F(TapeTest, ProductsReadTheWorkingCopyWhereThereIsOne) {
  const Variable x = make({3, 4}, 1.0F, true);
  const Variable weight = make_leaf({2, 4}, 0.5F, 0);
  const Variable bias = make_leaf({2}, 1.0F, 1);
  EXPECT_EQ(weight.compute_copy().bytes(), weight.value().bytes()) << "by default the value itself";
  weight.set_compute_copy(make({2, 4}, 0.25F, false).value());
  bias.set_compute_copy(make({2}, 3.0F, false).value());
  Tape tape(*device_, Tape::Mode::training);
  const Variable out = seeded(linear(tape, x, weight, bias));
  for (const float value : out.value().span<float>()) EXPECT_FLOAT_EQ(value, 4.0F);
  tape.backward();
  // dx = dy W reads it too; the gradients of the parameters have the places and the type of the values.
  for (const float value : x.gradient().span<float>()) EXPECT_FLOAT_EQ(value, 0.5F);
  for (const float value : weight.gradient().span<float>()) EXPECT_FLOAT_EQ(value, 3.0F);
  for (const float value : weight.value().span<float>()) EXPECT_EQ(value, 0.5F);
}

TEST_F(TapeTest, ANewValueForgetsTheWorkingCopy) {
  const Variable weight = make_leaf({2, 4}, 0.5F, 0);
  weight.set_compute_copy(make({2, 4}, 0.25F, false).value());
  EXPECT_EQ(weight.compute_copy().data<float>()[0], 0.25F);
  weight.set_value(make({2, 4}, 0.75F, false).value());
  EXPECT_EQ(weight.compute_copy().data<float>()[0], 0.75F);
}

TEST_F(TapeTest, NormsAndEmbeddingsReadTheValue) {
  const Variable scale = make_leaf({4}, 0.0F, 0);
  const Variable shift = make_leaf({4}, 2.0F, 1);
  const Variable words = make_leaf({3, 4}, 0.5F, 2);
  const Variable positions = make_leaf({3, 4}, 0.25F, 3);
  for (const Variable& parameter : {scale, shift, words, positions})
    parameter.set_compute_copy(make(parameter.shape(), 100.0F, false).value());
  Tape tape(*device_, Tape::Mode::evaluation);
  const Variable normed = layer_norm(tape, make({2, 4}, 1.0F, false), Variable(), scale, shift, 1e-5F);
  for (const float value : normed.value().span<float>()) EXPECT_EQ(value, 2.0F);
  EmbeddingIndices where;
  const std::vector<std::int32_t> tokens{2, 0};
  for (Tensor* indices : {&where.ids, &where.positions, &where.types})
    *indices = device_->upload(std::span(tokens), {2});
  const Variable embedded = embedding_sum(tape, where, words, positions, 0, Variable());
  for (const float value : embedded.value().span<float>()) EXPECT_EQ(value, 0.75F);
}

TEST_F(TapeTest, AGradientHasTheTypeOfItsValue) {
  Tape tape(*device_, Tape::Mode::training, {}, DType::bf16);
  EXPECT_EQ(tape.activations(), DType::bf16);
  const Variable parameter = make({2, 2}, 1.0F, true);
  const Variable activation(Tensor::empty(device_->memory(), {2, 2}, DType::bf16), true);
  EXPECT_EQ(tape.gradient_of(parameter).tensor.type(), DType::f32);
  EXPECT_FALSE(tape.gradient_of(activation).accumulate);
  EXPECT_EQ(activation.gradient().type(), DType::bf16);
  EXPECT_TRUE(tape.gradient_of(activation).accumulate);
  EXPECT_EQ(GradientTarget{}.parameter(), nullptr);
}

TEST_F(TapeTest, AClearedGradientIsClearedOnce) {
  Tape tape(*device_, Tape::Mode::training);
  const Variable parameter = make_leaf({2, 3}, 1.0F, 0);
  std::fill_n(parameter.gradient().data<float>(), 6, 9.0F);
  const Tensor first = tape.cleared_gradient_of(parameter);
  EXPECT_EQ(first.bytes(), parameter.gradient().bytes());
  for (const float value : first.span<float>()) EXPECT_EQ(value, 0.0F);
  first.data<float>()[2] = 5.0F;
  EXPECT_EQ(tape.cleared_gradient_of(parameter).data<float>()[2], 5.0F);
}

TEST_F(TapeTest, ActivationsHaveTheTypeOfTheTape) {
  Tape tape(*device_, Tape::Mode::evaluation, {}, DType::bf16);
  const Variable table = make({2, 4}, 1.0F, false);
  EmbeddingIndices where;
  const std::vector<std::int32_t> tokens{1};
  for (Tensor* indices : {&where.ids, &where.positions, &where.types})
    *indices = device_->upload(std::span(tokens), {1});
  EXPECT_EQ(embedding_sum(tape, where, table, table, 0, Variable()).value().type(), DType::bf16);
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
