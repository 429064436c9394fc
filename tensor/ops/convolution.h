// Convolutions over images, whose pixels are the rows of a matrix, line after line, and the pooling that stands between
// them. Gradients and types are as tensor/ops.h says of all ops.
#pragma once

#include <cstdint>

#include "tensor/calls/windows.h"
#include "tensor/tape.h"

namespace temper {

/// A map of pixels, images * height * width rows, and the windows that are taken of it: a place at every `stride`
/// pixels in both directions, `padding` zeros beyond each edge.
struct WindowShape {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t kernel_height = 1;
  std::int64_t kernel_width = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;

  /// Of the map that comes out. Below 1 where the window does not fit.
  [[nodiscard]] std::int64_t high() const { return places(height, kernel_height); }
  [[nodiscard]] std::int64_t wide() const { return places(width, kernel_width); }
  [[nodiscard]] WindowGrid grid() const;

 private:
  [[nodiscard]] std::int64_t places(std::int64_t length, std::int64_t kernel) const {
    const std::int64_t reach = length + 2 * padding - kernel;
    return reach < 0 ? 0 : reach / stride + 1;
  }
};

/// x [pixels, in], weight [out, kernel_height * kernel_width * in], whose columns are the channels of each tap, line
/// after line, bias [out] (may be undefined) -> [images * high * wide, out].
Variable convolution(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                     const WindowShape& shape);

/// The same where each channel has a kernel of its own: weight [kernel_height * kernel_width, channels], stride 1.
Variable depthwise_convolution(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                               const WindowShape& shape);

/// The largest of each channel in each window; the padding does not count. x [pixels, c] -> [images * high * wide, c].
Variable max_pool(Tape& tape, const Variable& x, const WindowShape& shape);

}  // namespace temper
