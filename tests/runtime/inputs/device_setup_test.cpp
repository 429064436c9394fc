#include "runtime/inputs/device_setup.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "tensor/cuda_device.h"
#include "tests/distant_device.h"
#include "tests/world.h"

namespace temper {
namespace {

/// A device that takes bf16.
class HalfPrecisionDevice final : public testing_support::DistantDevice {
 public:
  [[nodiscard]] bool has_bf16() const override { return true; }
};

/// One that does not.
class SinglePrecisionDevice final : public testing_support::DistantDevice {
 public:
  [[nodiscard]] bool has_bf16() const override { return false; }
};

class DevicePlan : public testing::Test {
 protected:
  Say say_ = [this](const std::string& line) { said_.push_back(line); };
  std::vector<std::string> said_;
  std::unique_ptr<Device> cpu_ = make_cpu_device();
};

TEST_F(DevicePlan, ComputesInF32UnlessAsked) {
  HalfPrecisionDevice half;
  EXPECT_EQ(activation_type({}, *cpu_, say_), DType::f32);
  EXPECT_EQ(activation_type({}, half, say_), DType::f32);
  EXPECT_TRUE(said_.empty());
}

TEST_F(DevicePlan, ComputesInBFloat16WhereTheDeviceCan) {
  HalfPrecisionDevice half;
  TrainSection train;
  train.precision = "bf16";
  EXPECT_EQ(activation_type(train, half, say_), DType::bf16);
  EXPECT_TRUE(said_.empty());
}

TEST_F(DevicePlan, SaysOneLineWhereTheDeviceCannot) {
  TrainSection train;
  train.precision = "bf16";
  SinglePrecisionDevice single;
  EXPECT_EQ(activation_type(train, single, say_), DType::f32);
  ASSERT_EQ(said_.size(), 1U);
  for (const char* part : {"train.precision", "bf16", "f32"})
    EXPECT_NE(said_[0].find(part), std::string::npos) << said_[0];
}

TEST_F(DevicePlan, ConnectsNothingWithoutGpus) {
  for (const char* way : {"auto", "nccl", "mpi"}) {
    RunSection run;
    run.gpu_communication = way;
    EXPECT_EQ(connect_gpus(run, *cpu_, world_communicator(), say_), nullptr);
  }
  EXPECT_TRUE(said_.empty());
}

TEST(CudaAvailability, SaysWhyThereIsNoGpu) {
  const CudaAvailability cuda = cuda_availability();
  if (cuda.devices > 0) GTEST_SKIP() << "there is one";
  EXPECT_FALSE(cuda.unusable.empty());
  EXPECT_THROW(make_cuda_device(0), Error);
}

}  // namespace
}  // namespace temper
