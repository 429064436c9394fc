// Convolutions over images whose pixels are rows of a matrix, line after line: windows of pixels, and products with
// them. A convolution is the product of its windows with its weights (Chellapilla, Puri, Simard: "High performance
// convolutional neural networks for document processing", 2006), a few windows at a time.
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper {

class Kernels;

/// Windows over images: of each image one at each of `high` times `wide` places, line after line. Tap (a, b) of the
/// window at place (i, j) is the pixel (i * stride + first_y + a * step, j * stride + first_x + b * step) of the image;
/// beyond its edges it is zero.
struct WindowGrid {
  std::int64_t images = 0;
  std::int64_t height = 0;  ///< of an image, in pixels
  std::int64_t width = 0;
  std::int64_t high = 0;  ///< places
  std::int64_t wide = 0;
  std::int64_t taps_high = 1;  ///< pixels of a window
  std::int64_t taps_wide = 1;
  std::int64_t stride = 1;
  std::int64_t first_y = 0;  ///< negative where there is padding
  std::int64_t first_x = 0;
  std::int64_t step = 1;  ///< -1: the window is mirrored

  [[nodiscard]] std::int64_t pixels() const { return images * height * width; }
  [[nodiscard]] std::int64_t places() const { return images * high * wide; }
  [[nodiscard]] std::int64_t taps() const { return taps_high * taps_wide; }
};

namespace calls {

/// y [n, taps * c] = windows [first, first + n) of x [pixels, c]: the pixels of a window side by side, line after line.
struct GatherWindows {
  static constexpr KernelId kKernel{"gather_windows", KernelClass::pass};
  ConstRows x;
  WindowGrid grid;
  std::int64_t first = 0;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// The pixels of windows of one tap, places [first, first + n): y [pixels, c] at these (+)= x [n, c], which may be of
/// f32 where y is not. The grid reaches beyond no edge, so no pixel is written twice.
struct ScatterPlaces {
  static constexpr KernelId kKernel{"scatter_places", KernelClass::pass};
  ConstRows x;
  WindowGrid grid;
  std::int64_t first = 0;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

/// y [places, out] (+)= windows of x [pixels, c] times the weight [out, taps * c], transposed, + bias [1, out] (data
/// may be null; none where y is added to). Or, with `weight_is_transposed`, times the weight [taps * c, out].
struct WindowProduct {
  static constexpr KernelId kKernel{"window_product", KernelClass::product};
  ConstRows x;
  WindowGrid grid;
  ConstRows weight;
  bool weight_is_transposed = false;
  ConstRows bias = {};
  /// [n, taps * c] of the type of x, for a device that multiplies windows that lie in memory: n at a time. Which n it
  /// is changes no bit on CPUs.
  Rows room;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
  void run_parts(Kernels& kernels) const;
};

/// d_weight [out, taps * c] (+)= dz [places, out], transposed, times the windows of x, and d_bias [out] (may be null)
/// (+)= sum of dz over rows; both f32.
struct WindowWeightGradient {
  static constexpr KernelId kKernel{"window_weight_gradient", KernelClass::product};
  ConstRows dz;
  ConstRows x;
  WindowGrid grid;
  Rows room;  ///< as in WindowProduct; here sums are cut where it is full
  Matrix d_weight;
  bool accumulate_weight = false;
  float* d_bias = nullptr;
  bool accumulate_bias = false;
  [[nodiscard]] KernelWork work() const;
  void run_parts(Kernels& kernels) const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_WINDOW_CALLS(EACH) EACH(GatherWindows) EACH(ScatterPlaces) EACH(WindowProduct) EACH(WindowWeightGradient)
