#include "tensor/cost/timed_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <vector>

#include "tensor/device.h"
#include "tensor/kernels/cpu/cpu_kernels.h"

namespace temper {
namespace {

std::vector<float> random_values(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

Rows rows_of(std::vector<float>& values, std::int64_t columns) {
  const auto rows = static_cast<std::int64_t>(values.size()) / columns;
  return Matrix{values.data(), rows, columns, columns};
}

std::int64_t calls_of(const std::vector<KernelTime>& times, std::string_view name) {
  const auto row =
      std::find_if(times.begin(), times.end(), [&](const KernelTime& time) { return time.kernel.name == name; });
  return row == times.end() ? 0 : row->calls;
}

class TimedKernelsTest : public testing::Test {
 protected:
  CpuKernels plain_;
  CpuKernels wrapped_;
  int waits_ = 0;
  TimedKernels timed_{wrapped_, [this] { ++waits_; }};
};

/// What kernels make of fixed numbers: one result after the other.
std::vector<float> results_of(Kernels& kernels) {
  std::vector<float> x = random_values(std::size_t{12} * 16, 1);
  std::vector<float> gradient = random_values(x.size(), 2);
  std::vector<float> weight = random_values(std::size_t{16} * 16, 3);
  std::vector<float> bias = random_values(16, 4);
  std::vector<float> z(x.size());
  std::vector<float> y(x.size());
  std::vector<float> d_weight(weight.size());
  std::vector<float> d_bias(bias.size());
  std::vector<float> all;
  const auto keep = [&](const std::vector<float>& values) { all.insert(all.end(), values.begin(), values.end()); };

  kernels.run(calls::LinearForward{.x = rows_of(x, 16),
                                   .weight = rows_of(weight, 16),
                                   .bias = rows_of(bias, 16),
                                   .activation = Activation::gelu,
                                   .z = rows_of(z, 16),
                                   .y = rows_of(y, 16)});
  keep(z);
  keep(y);
  kernels.run(calls::BiasActivationBackward{.dy = rows_of(gradient, 16),
                                            .z = rows_of(z, 16),
                                            .y = rows_of(y, 16),
                                            .activation = Activation::gelu,
                                            .dz = rows_of(gradient, 16),
                                            .d_bias = d_bias.data()});
  kernels.run(calls::LinearWeightGradient{.dz = rows_of(gradient, 16),
                                          .x = rows_of(x, 16),
                                          .d_weight = rows_of(d_weight, 16).as<float>(),
                                          .d_bias = d_bias.data(),
                                          .accumulate_bias = true});
  kernels.run(
      calls::Matmul{.a = rows_of(gradient, 16), .b = rows_of(weight, 16), .c = rows_of(z, 16), .accumulate = true});
  keep(d_weight);
  keep(d_bias);
  keep(z);

  const std::vector<std::uint32_t> names{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3};
  kernels.run(calls::ApplyDropout{
      .x = rows_of(x, 16), .names = {names.data(), names.data()}, .dropout = {0.3F, 5, {6, 7}}, .y = rows_of(y, 16)});
  kernels.run(calls::Copy{.x = rows_of(x, 16), .y = rows_of(y, 16), .accumulate = true});
  keep(y);
  kernels.run(
      calls::Add{.a = x.data(), .b = gradient.data(), .out = y.data(), .n = static_cast<std::int64_t>(x.size())});
  keep(y);
  const std::array<const float*, 3> inputs{x.data(), gradient.data(), z.data()};
  constexpr std::array<TreeStep, 5> kPostfix{TreeStep::input, TreeStep::input, TreeStep::sum, TreeStep::input,
                                             TreeStep::sum};
  kernels.run(
      calls::AddTree{.inputs = inputs, .postfix = kPostfix, .out = y.data(), .n = static_cast<std::int64_t>(x.size())});
  keep(y);

  const std::vector<float> targets(x.size(), 0.25F);
  std::array<double, 2> loss{};
  kernels.run(calls::BinaryCrossEntropy{
      .logits = rows_of(x, 16), .targets = targets.data(), .d_logits = rows_of(y, 16), .sum = loss.data()});
  keep(y);
  kernels.run(calls::MeanSquaredError{
      .predictions = rows_of(x, 16), .targets = targets.data(), .d_predictions = rows_of(y, 16), .sum = loss.data()});
  keep(y);
  const std::vector<std::int32_t> labels{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  kernels.run(calls::CrossEntropy{.logits = rows_of(x, 16),
                                  .labels = labels.data(),
                                  .label_smoothing = 0.1F,
                                  .d_logits = rows_of(y, 16),
                                  .sum = loss.data()});
  keep(y);
  std::array<double, 3> squares{};
  kernels.run(calls::ChunkSquareSums{.x = x.data(), .chunk = 64, .chunks = 3, .sums = squares.data()});
  for (const double value : {loss[0], loss[1], squares[0], squares[1], squares[2]})
    all.push_back(static_cast<float>(value));

  std::vector<float> momenta(x.size());
  SgdStep sgd;
  sgd.learning_rate = 0.1F;
  sgd.momentum = 0.9F;
  kernels.run(calls::Sgd{.parameters = x.data(),
                         .gradients = gradient.data(),
                         .momenta = momenta.data(),
                         .n = static_cast<std::int64_t>(x.size()),
                         .step = sgd});
  keep(x);
  std::vector<float> second_moments(x.size());
  AdamWStep adamw;
  adamw.learning_rate = 0.1F;
  kernels.run(calls::AdamW{.parameters = x.data(),
                           .gradients = gradient.data(),
                           .first_moments = momenta.data(),
                           .second_moments = second_moments.data(),
                           .n = static_cast<std::int64_t>(x.size()),
                           .step = adamw});
  keep(x);
  kernels.run(calls::Clear{.data = y.data(), .bytes = static_cast<std::int64_t>(y.size() * sizeof(float))});
  keep(y);
  kernels.run(calls::ScatterAddRows{.dy = rows_of(x, 16), .rows = labels.data(), .dx = rows_of(y, 16)});
  keep(y);
  kernels.run(calls::GatherRows{.x = rows_of(y, 16), .rows = labels.data(), .y = rows_of(z, 16)});
  keep(z);
  return all;
}

TEST_F(TimedKernelsTest, ResultsAreThoseOfTheKernelsThemselves) {
  EXPECT_EQ(results_of(timed_.kernels()), results_of(plain_));
}

TEST_F(TimedKernelsTest, CallsAreCountedByName) {
  EXPECT_TRUE(timed_.times().empty());
  results_of(timed_.kernels());
  results_of(timed_.kernels());
  const std::vector<KernelTime> times = timed_.times();
  EXPECT_EQ(calls_of(times, "add"), 2);
  EXPECT_EQ(calls_of(times, "adamw_step"), 2);
  EXPECT_EQ(calls_of(times, "attention_forward"), 0);
  for (std::size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i - 1].seconds, times[i].seconds);
  for (const KernelTime& time : times) EXPECT_GE(time.seconds, 0.0) << time.kernel.name;
  timed_.forget_times();
  EXPECT_TRUE(timed_.times().empty());
}

TEST_F(TimedKernelsTest, TheDeviceIsWaitedForBeforeAndBehindEachCall) {
  std::vector<float> x = random_values(8, 1);
  timed_.kernels().run(calls::Clear{.data = x.data(), .bytes = 8});
  EXPECT_EQ(waits_, 2);
  timed_.kernels().run(calls::Copy{.x = rows_of(x, 8), .y = rows_of(x, 8)});
  EXPECT_EQ(waits_, 4);
}

TEST_F(TimedKernelsTest, WhatAKernelDoesByOthersIsTheirs) {
  // Large, so that time that was counted twice would be more than has gone by.
  std::vector<float> x = random_values(std::size_t{256} * 256, 1);
  std::vector<float> dz = random_values(x.size(), 2);
  std::vector<float> d_weight(x.size());
  std::vector<float> d_bias(256);
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i)
    timed_.kernels().run(calls::LinearWeightGradient{.dz = rows_of(dz, 256),
                                                     .x = rows_of(x, 256),
                                                     .d_weight = Matrix{d_weight.data(), 256, 256, 256},
                                                     .d_bias = d_bias.data()});
  const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const std::vector<KernelTime> times = timed_.times();
  for (const char* name : {"linear_weight_gradient", "matmul", "bias_activation_backward"})
    EXPECT_EQ(calls_of(times, name), 3);
  double all = 0.0;
  for (const KernelTime& time : times) all += time.seconds;
  EXPECT_LE(all, passed);
}

TEST(KernelTimes, TheShareOutsideProductsAndAttention) {
  EXPECT_EQ(share_outside_products_and_attention({}), 0.0);
  const std::vector<KernelTime> times{{calls::Matmul::kKernel, 1, 3.0},
                                      {calls::LinearForward::kKernel, 1, 1.0},
                                      {calls::AttentionBackward::kKernel, 1, 1.0},
                                      {calls::LinearWeightGradient::kKernel, 1, 1.0},
                                      {calls::LayerNormForward::kKernel, 1, 1.0},
                                      {calls::AdamW::kKernel, 1, 1.0}};
  EXPECT_DOUBLE_EQ(share_outside_products_and_attention(times), 0.25);
}

TEST(KernelTimes, ADeviceTimesItsKernelsOnceItIsAsked) {
  const auto device = make_cpu_device();
  std::vector<float> x = random_values(8, 1);
  device->kernels().run(calls::Clear{.data = x.data(), .bytes = 8});
  EXPECT_TRUE(device->kernel_times().empty());
  device->time_kernels();
  device->kernels().run(calls::Clear{.data = x.data(), .bytes = 8});
  EXPECT_EQ(calls_of(device->kernel_times(), "clear"), 1);
  device->forget_kernel_times();
  EXPECT_TRUE(device->kernel_times().empty());
}

}  // namespace
}  // namespace temper
