#include "tensor/device.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tensor/host_copy.h"

namespace temper {
namespace {

class CpuDeviceTest : public testing::Test {
 protected:
  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(CpuDeviceTest, SaysWhatItIs) {
  EXPECT_EQ(device_->kind(), DeviceKind::cpu);
  EXPECT_EQ(device_->name(), "cpu");
  EXPECT_TRUE(device_->shares_host_memory());
}

TEST_F(CpuDeviceTest, WhatIsUploadedComesBack) {
  const std::vector<float> values{1.0F, -2.0F, 3.0F, 4.0F, 5.0F, 6.0F};
  const Tensor tensor = device_->upload(std::span(values), {3, 2});
  EXPECT_EQ(tensor.shape(), (Shape{3, 2}));
  EXPECT_EQ(tensor.type(), DType::f32);
  EXPECT_EQ(device_->download<float>(tensor), values);
  EXPECT_EQ(device_->download_as_f32(tensor), values);
  std::vector<float> middle(2);
  device_->upload(values.data(), tensor.data<float>() + 2, 2 * sizeof(float));
  device_->download(tensor.data<float>() + 1, middle.data(), 2 * sizeof(float));
  EXPECT_EQ(middle, (std::vector<float>{-2.0F, 1.0F}));
  device_->synchronize();
}

TEST_F(CpuDeviceTest, NothingIsUploadedAndComesBack) {
  const Tensor tensor = device_->upload(std::span<const std::int32_t>(), {0});
  EXPECT_TRUE(tensor.defined());
  EXPECT_EQ(tensor.type(), DType::i32);
  EXPECT_TRUE(device_->download<std::int32_t>(tensor).empty());
}

TEST_F(CpuDeviceTest, KnowsTheMostMemoryThatWasInUseAtOnce) {
  EXPECT_EQ(device_->peak_memory_bytes(), 0);
  { const Tensor large = Tensor::empty(device_->memory(), {1000, 1000}); }
  const std::int64_t peak = device_->peak_memory_bytes();
  EXPECT_GE(peak, 4'000'000);
  const Tensor small = Tensor::empty(device_->memory(), {10});
  EXPECT_EQ(device_->peak_memory_bytes(), peak);
}

TEST_F(CpuDeviceTest, BFloat16ComesBackAsF32) {
  const std::vector<BFloat16> halves{to_bfloat16(1.5F), to_bfloat16(-0.0F), to_bfloat16(1e30F)};
  const Tensor tensor = device_->upload(std::span(halves), {3});
  EXPECT_EQ(tensor.type(), DType::bf16);
  EXPECT_EQ(device_->download_as_f32(tensor), (std::vector<float>{1.5F, -0.0F, to_float(halves[2])}));
}

TEST_F(CpuDeviceTest, AHostCopyOfSharedMemoryIsTheMemoryItself) {
  const std::vector<float> values{1.0F, 2.0F, 3.0F};
  const Tensor tensor = device_->upload(std::span(values), {3});
  const HostCopy whole(*device_, tensor);
  const HostCopy end(*device_, tensor.data<float>() + 1, 2);
  EXPECT_EQ(whole.values().data(), tensor.data<float>());
  EXPECT_EQ(whole.values().size(), 3U);
  EXPECT_EQ(end.values().data(), tensor.data<float>() + 1);
  EXPECT_EQ(end.values().size(), 2U);
}

TEST_F(CpuDeviceTest, AHostCopyOfBFloat16IsACopyThatMayBeMoved) {
  const std::vector<BFloat16> halves{to_bfloat16(1.5F), to_bfloat16(-2.0F)};
  std::vector<HostCopy> copies;
  for (int i = 0; i < 3; ++i) copies.emplace_back(*device_, device_->upload(std::span(halves), {2}));
  for (const HostCopy& copy : copies)
    EXPECT_EQ(std::vector<float>(copy.values().begin(), copy.values().end()), (std::vector<float>{1.5F, -2.0F}));
}

#if defined(__SSE__) || defined(__aarch64__)
TEST_F(CpuDeviceTest, TakesNumbersBelowTheSmallestNormalOneForZero) {
  const volatile float least_normal = 0x1p-126F;
  EXPECT_EQ(least_normal * 0.5F, 0.0F);
  float halved = 1.0F;
  std::thread([&] { halved = least_normal * 0.5F; }).join();
  EXPECT_EQ(halved, 0.0F);
}
#endif

}  // namespace
}  // namespace temper
