// The largest of each window of pixels.
#pragma once

#include <cstdint>

#include "tensor/calls/windows.h"

namespace temper::calls {

/// y [places, c] = the largest of each channel in the windows of x [pixels, c]; what lies beyond the edges does not
/// count, and each window has a pixel. winners u8 [places, c] = its tap, the first of several; what is not a number is
/// larger than all. At most 256 taps.
struct MaxPoolForward {
  static constexpr KernelId kKernel{"max_pool_forward", KernelClass::pass};
  ConstRows x;
  WindowGrid grid;
  Rows y;
  std::uint8_t* winners = nullptr;  ///< may be null
  [[nodiscard]] KernelWork work() const;
};

/// dx [pixels, c] = the sum of dy [places, c] over the windows that the pixel won, in their order.
struct MaxPoolBackward {
  static constexpr KernelId kKernel{"max_pool_backward", KernelClass::pass};
  ConstRows dy;
  const std::uint8_t* winners;
  WindowGrid grid;
  Rows dx;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_POOLING_CALLS(EACH) EACH(MaxPoolForward) EACH(MaxPoolBackward)
