#include "tensor/cost/idle_device.h"

#include <gtest/gtest.h>

#include "tensor/kernels.h"
#include "tensor/tensor.h"

namespace temper {
namespace {

/// Bytes that kernels keep for a convolution of one image of 14 x 14 pixels, 64 channels to 64.
std::int64_t kept_for(std::int64_t stride, DType type) {
  constexpr std::int64_t kChannels = 64;
  IdleDevice device([](const KernelId&, const KernelWork&) {});
  const WindowGrid grid{.images = 1,
                        .height = 14,
                        .width = 14,
                        .high = 14 / stride,
                        .wide = 14 / stride,
                        .taps_high = 3,
                        .taps_wide = 3,
                        .stride = stride,
                        .first_y = -1,
                        .first_x = -1};
  const Tensor x = Tensor::empty(device.memory(), {grid.pixels(), kChannels}, type);
  const Tensor weight = Tensor::empty(device.memory(), {kChannels, grid.taps() * kChannels}, type);
  const Tensor room = Tensor::empty(device.memory(), {grid.places(), grid.taps() * kChannels}, type);
  const Tensor y = Tensor::empty(device.memory(), {grid.places(), kChannels}, type);
  device.kernels().run(calls::WindowProduct{
      .x = x.as_rows(), .grid = grid, .weight = weight.as_rows(), .room = room.as_rows(), .y = y.as_rows()});
  const std::int64_t kept = device.kept_by_kernels_bytes();
  device.reset_peak();
  EXPECT_EQ(device.kept_by_kernels_bytes(), 0);
  return kept;
}

TEST(IdleDeviceTest, CountsWhatKernelsKeepForTransformedWindows) {
  // 16 points, each of 49 tiles or 64 weights by 64 channels, a line beyond a whole number of 4 KiB.
  constexpr std::int64_t kPoint = 4096 + 16;
  EXPECT_EQ(kept_for(1, DType::f32), 3 * 16 * kPoint * 4);
  EXPECT_EQ(kept_for(2, DType::f32), 0) << "windows with a stride are copied";
  EXPECT_EQ(kept_for(1, DType::bf16), 0);
}

}  // namespace
}  // namespace temper
