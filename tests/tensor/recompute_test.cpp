// Tape::recompute against the same block on the tape itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tensor/ops.h"

namespace temper {
namespace {

constexpr PhiloxKey kKey{3, 4};

class RecomputeTest : public testing::Test {
 protected:
  Variable make(const Shape& shape, float first, bool requires_gradient) {
    const Tensor tensor = Tensor::empty(device_->memory(), shape);
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      tensor.data<float>()[i] = first + 0.125F * static_cast<float>(i * 7 % 13);
    return Variable(tensor, requires_gradient);
  }
  Variable make_leaf(const Shape& shape, float first, std::int64_t leaf) {
    Variable variable = make(shape, first, true);
    variable.bind_gradient(Tensor::empty(device_->memory(), shape), leaf);
    return variable;
  }
  void seed(const Variable& out) {
    const Tensor gradient = Tensor::empty(device_->memory(), out.shape());
    std::fill_n(gradient.data<float>(), gradient.size(), 0.5F);
    Tape::set_gradient(out, gradient);
  }
  [[nodiscard]] std::size_t in_use() { return static_cast<const HostMemory&>(device_->memory()).use().in_use; }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.span<float>();
  return {values.begin(), values.end()};
}

/// What two weights and an input, each used by two blocks with dropout, receive.
struct Gradients {
  std::vector<std::vector<float>> values;
  std::vector<std::int64_t> completed;
  friend bool operator==(const Gradients&, const Gradients&) = default;
};

TEST_F(RecomputeTest, GivesTheBitsAndTheLeavesOfTheTapeItself) {
  const auto gradients = [&](bool recomputed) {
    const Variable x = make({5, 8}, -0.5F, true);
    const Variable tied = make_leaf({8, 8}, -0.75F, 0);
    const Variable own = make_leaf({8, 8}, -0.25F, 1);
    const Variable last = make_leaf({3, 8}, 0.1F, 2);
    const std::vector<std::uint32_t> names{0, 1, 2, 3, 4};
    Tape tape(*device_, Tape::Mode::training, kKey);
    const auto layer = [&](Tape& on, const Variable& in, std::uint32_t place) {
      const Variable raised = linear(on, in, tied, Variable(), Activation::gelu);
      const Variable lowered = linear(on, raised, place == 0 ? own : tied, Variable());
      const Variable kept = dropout(on, lowered, {names.data(), names.data()}, on.dropout(0.4, place));
      return linear(on, kept, tied, Variable(), Activation::tanh);
    };
    const auto block = [&](const Variable& in, std::uint32_t place) {
      if (!recomputed) return layer(tape, in, place);
      return tape.recompute([&layer, in, place](Tape& on) { return layer(on, in, place); });
    };
    // The input reaches both blocks, so its gradient is added to.
    const Variable first = block(x, 0);
    const Variable second = block(first, 1);
    const Variable third = block(x, 2);
    const Variable end = linear(tape, second, last, Variable());
    seed(end);
    seed(third);
    if (recomputed) {
      EXPECT_EQ(tape.recorded(), 4U) << "a record a block";
    }
    Gradients found;
    tape.backward([&](std::int64_t leaf) { found.completed.push_back(leaf); });
    for (const Variable& variable : {x, tied, own, last}) found.values.push_back(values_of(variable.gradient()));
    found.values.push_back(values_of(end.value()));
    return found;
  };
  const Gradients expected = gradients(false);
  EXPECT_EQ(expected.completed, (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_TRUE(gradients(true) == expected);
}

TEST_F(RecomputeTest, ALeafIsReportedInsideTheBlockAsSoonAsItIsFinal) {
  const Variable lower = make_leaf({4, 4}, 0.1F, 0);
  const Variable upper = make_leaf({4, 4}, 0.2F, 1);
  Tape tape(*device_, Tape::Mode::training);
  const Variable x = make({2, 4}, 1.0F, false);
  const Variable out =
      tape.recompute([&](Tape& on) { return linear(on, linear(on, x, lower, Variable()), upper, Variable()); });
  seed(out);
  std::fill_n(lower.gradient().data<float>(), 16, -99.0F);
  tape.backward([&](std::int64_t leaf) {
    if (leaf == 1) {
      EXPECT_EQ(lower.gradient().data<float>()[0], -99.0F) << "the lower product is yet to come";
    }
  });
  EXPECT_NE(lower.gradient().data<float>()[0], -99.0F);
}

TEST_F(RecomputeTest, RecordsNothingWhereNothingIsTrainedAndInEvaluation) {
  const Variable x = make({2, 4}, 1.0F, false);
  const Variable frozen = make({4, 4}, 0.5F, false);
  Tape training(*device_, Tape::Mode::training);
  const Variable out = training.recompute([&](Tape& on) { return linear(on, x, frozen, Variable()); });
  EXPECT_EQ(training.recorded(), 0U);
  EXPECT_FALSE(out.requires_gradient());
  int runs = 0;
  Tape evaluation(*device_, Tape::Mode::evaluation);
  evaluation.recompute([&](Tape& on) {
    ++runs;
    EXPECT_EQ(&on, &evaluation);
    return linear(on, x, make_leaf({4, 4}, 0.5F, 0), Variable());
  });
  EXPECT_EQ(evaluation.recorded(), 0U);
  EXPECT_EQ(runs, 1);
}

TEST_F(RecomputeTest, KeepsTheOutputAloneUntilBackward) {
  const Variable weight = make_leaf({64, 64}, 0.01F, 0);
  const std::size_t before = in_use();
  {
    Tape tape(*device_, Tape::Mode::training);
    const Variable x = make({64, 64}, 1.0F, false);
    Variable hidden = tape.recompute([x, &weight](Tape& on) {
      Variable out = x;
      for (int layer = 0; layer < 4; ++layer) out = linear(on, out, weight, Variable(), Activation::gelu);
      return out;
    });
    const std::size_t matrix = in_use() - before;
    EXPECT_LE(matrix, 2 * (64 * 64 * sizeof(float) + 64)) << "input and output";
    seed(hidden);
    hidden = Variable();
    tape.backward();
  }
  EXPECT_EQ(in_use(), before);
}

TEST_F(RecomputeTest, BothPassesReadTheKeyOfTheDeviceAndHaveTheTypeOfTheTape) {
  const PhiloxKey on_device{9, 9};
  const Variable x = make({4, 16}, 1.0F, true);
  Tape tape(*device_, Tape::Mode::training, kKey, DType::bf16);
  tape.set_device_key(&on_device);
  std::vector<const PhiloxKey*> seen;
  const Variable out = tape.recompute([&](Tape& on) {
    const Dropout dropped = on.dropout(0.5, 0);
    seen.push_back(dropped.device_key);
    EXPECT_EQ(dropped.key, kKey);
    EXPECT_EQ(on.activations(), DType::bf16);
    return linear(on, x, make({2, 16}, 1.0F, false), Variable());
  });
  seed(out);
  tape.backward();
  EXPECT_EQ(seen, (std::vector<const PhiloxKey*>{&on_device, &on_device}));
}

}  // namespace
}  // namespace temper
