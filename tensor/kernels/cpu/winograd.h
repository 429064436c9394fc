// Products with windows of 3 x 3 pixels, one at each pixel, in 16 multiplications where a tile of 2 x 2 places would
// take 36 (Lavin, Gray: "Fast algorithms for convolutional neural networks", 2016, F(2 x 2, 3 x 3)): pixels and weights
// are brought to 16 points each, of which each is a matrix product over channels, and the products back to places. No
// window is copied. Sums of pixels have twice their size at most, so f32 loses next to nothing; bf16 would.
#pragma once

#include <cstdint>

#include "tensor/calls/windows.h"

namespace temper {

/// True where it pays off. The same for any number of images, since bits differ from those of windows in memory.
bool winograd_pays(const calls::WindowProduct& call);
bool winograd_pays(const calls::WindowWeightGradient& call);

/// Bytes that the calling thread keeps for what calls are transformed to, from one to the next.
struct WinogradRooms {
  std::int64_t left = 0;
  std::int64_t right = 0;
  std::int64_t product = 0;

  [[nodiscard]] std::int64_t bytes() const { return left + right + product; }
  /// What both need, one after the other.
  WinogradRooms& operator|=(const WinogradRooms& other);
};

/// Nothing for a call that is not transformed.
WinogradRooms winograd_rooms(const calls::WindowProduct& call);
WinogradRooms winograd_rooms(const calls::WindowWeightGradient& call);

/// As the calls say; `kernels` multiplies.
void run_by_winograd(const calls::WindowProduct& call, Kernels& kernels);
void run_by_winograd(const calls::WindowWeightGradient& call, Kernels& kernels);

}  // namespace temper
