// Skips every test of the program where there is no GPU, real or emulated.
#include <gtest/gtest.h>

#include "tensor/cuda_device.h"

namespace temper {
namespace {

class NeedsGpu final : public testing::Environment {
  void SetUp() override {
    if (const CudaAvailability found = cuda_availability(); found.devices == 0)
      GTEST_SKIP() << "skipped: no GPU (" << found.unusable << ")";
  }
};

[[maybe_unused]] const testing::Environment* const kNeedsGpu = testing::AddGlobalTestEnvironment(new NeedsGpu);

}  // namespace
}  // namespace temper
