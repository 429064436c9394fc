// What transformers over images need beside products: patches out of pixels, and rows of an image mixed with each other
// by weights that its size alone decides (resized positions, windows, class tokens and means).
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper {

/// A sparse matrix that is the same for all images: row r of what comes out is the sum of weights[i] times row
/// sources[i] of what goes in, over i from starts[r] to starts[r + 1], in this order; nothing is a row of zeros.
struct RowMixture {
  const std::int32_t* starts;   ///< [rows_out + 1]
  const std::int32_t* sources;  ///< [entries]
  const float* weights;         ///< [entries]
  std::int64_t rows_in;
  std::int64_t rows_out;
  std::int64_t entries;
};

namespace calls {

/// y[image, row, column] = the patch of the image there, its values in the order of a convolution's weight [channels,
/// patch_height, patch_width]; so a linear layer over y is that convolution with its stride as wide as its kernel. x
/// f32 [images * height * width, channels], y [images * height / patch_height * width / patch_width, channels *
/// patch_height * patch_width] of any type; what is left over at the right and at the bottom is not read.
struct GatherPatches {
  static constexpr KernelId kKernel{"gather_patches", KernelClass::pass};
  ConstRows x;
  std::int64_t height;
  std::int64_t width;
  std::int64_t patch_height;
  std::int64_t patch_width;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// Of each image: y (+)= mixture x + added. x [images * rows_in, columns], y [images * rows_out, columns].
struct MixRows {
  static constexpr KernelId kKernel{"mix_rows", KernelClass::pass};
  ConstRows x;
  RowMixture mixture;
  std::int64_t images;
  const float* added = nullptr;  ///< [rows_out, columns]; null: nothing
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

/// sum [rows, columns] (+)= that of all images, in their order: x [images * rows, columns].
struct SumImages {
  static constexpr KernelId kKernel{"sum_images", KernelClass::pass};
  ConstRows x;
  std::int64_t images;
  float* sum;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

/// y (+)= x, where whole images are dropped at random and the others scaled (Huang, Sun, Liu, Sedra, Weinberger: "Deep
/// networks with stochastic depth", 2016): an image is one element of Dropout, of column 0 and position 0 of its
/// example. x, y [images * rows, columns]; y may be x.
struct DropImages {
  static constexpr KernelId kKernel{"drop_images", KernelClass::pass};
  ConstRows x;
  std::int64_t images;
  const std::uint32_t* examples;  ///< [images]
  Dropout dropout;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_IMAGE_ROW_CALLS(EACH) EACH(GatherPatches) EACH(MixRows) EACH(SumImages) EACH(DropImages)
