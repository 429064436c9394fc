#include "model/layers/linear.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <vector>

#include "model/layers/low_rank.h"

namespace temper {
namespace {

class LinearTest : public testing::Test {
 protected:
  Variable numbers(const Shape& shape, float first) {
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    std::iota(values.begin(), values.end(), first);
    return Variable(device_->upload(std::span<const float>(values), shape), true);
  }
  void give_values() {
    for (const Parameter& parameter : list_.all())
      parameter.variable.set_value(numbers(parameter.shape, -2.0F).value());
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  ParameterList list_;
  ParameterPlace place_{list_, 1, ParameterRole::weight, Initialization::normal(0.02F)};
};

TEST_F(LinearTest, AddsItsParametersAndComputesWithThem) {
  const Linear layer(place_, "dense", 2, 3);
  const Linear bare(place_, "bare", 2, 3, Linear::Bias::none);
  ASSERT_EQ(list_.all().size(), 3U);
  EXPECT_EQ(list_.find("dense.weight")->shape, Shape({2, 3}));
  EXPECT_EQ(list_.find("dense.bias")->shape, Shape({2}));
  EXPECT_EQ(list_.find("bare.weight")->shape, Shape({2, 3}));
  give_values();
  Tape tape(*device_, Tape::Mode::evaluation);
  const Variable x = numbers({1, 3}, 1.0F);
  // Weights (-2 -1 0) and (1 2 3), biases -2 and -1, x (1 2 3).
  EXPECT_EQ(device_->download<float>(layer(tape, x).value()), (std::vector<float>{-6, 13}));
  EXPECT_EQ(device_->download<float>(layer(tape, x, Activation::relu).value()), (std::vector<float>{0, 13}));
  EXPECT_EQ(device_->download<float>(bare(tape, x).value()), (std::vector<float>{-4, 14}));
}

TEST_F(LinearTest, AnAdapterAddsToTheProductBeforeTheActivation) {
  const Linear layer(place_, "dense", 2, 3);
  give_values();
  EXPECT_TRUE(layer.is_plain());
  ASSERT_EQ(list_.modules().size(), 1U);
  EXPECT_EQ(list_.modules().front()->name, "dense");
  // A (1 2 3), B (1) and (2), scale 0.5: x (1 2 3) has 14, so 7 and 14 are added.
  list_.modules().front()->adapter = std::make_shared<const LowRank>(
      LowRankParts{.a = numbers({1, 3}, 1.0F), .b = numbers({2, 1}, 1.0F), .scale = 0.5F});
  EXPECT_FALSE(layer.is_plain());
  Tape tape(*device_, Tape::Mode::evaluation);
  const Variable x = numbers({1, 3}, 1.0F);
  EXPECT_EQ(device_->download<float>(layer(tape, x).value()), (std::vector<float>{-6 + 7, 13 + 14}));
  EXPECT_EQ(device_->download<float>(layer.without_adapter(tape, x).value()), (std::vector<float>{-6, 13}));
  EXPECT_EQ(device_->download<float>(layer.outputs(tape, x, 1, 1).value()), std::vector<float>{27});
  EXPECT_EQ(device_->download<float>(layer(tape, scale(tape, x, -1.0F), Activation::relu).value()),
            (std::vector<float>{0, 0}));
}

TEST_F(LinearTest, OverParametersOfOthersThereIsNoPlaceForOne) {
  const Linear layer(numbers({2, 3}, 1.0F), Variable());
  layer.belongs_to(ModulePart::output);
  EXPECT_TRUE(layer.is_plain());
  EXPECT_TRUE(list_.modules().empty());
}

}  // namespace
}  // namespace temper
