// Learnt positions of a grid of patches, resized to a grid of another size: each new position is a sum of old ones by
// weights that the two sizes decide (Keys: "Cubic convolution interpolation for digital image processing", 1981), as
// torch.nn.functional.interpolate(mode="bicubic", align_corners=False) has them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/image_extent.h"
#include "tensor/ops/image_rows.h"

namespace temper {

enum class Resampling : std::uint8_t {
  bicubic,              ///< four neighbours along each side, whatever the sizes; a = -0.75
  antialiased_bicubic,  ///< where the grid shrinks, as many more as it shrinks; a = -0.5
};

/// Of one side: what each of `to` places is made of, of `from` places, the weights adding up to 1.
std::vector<MixedRow> resized_side(std::int64_t from, std::int64_t to, Resampling resampling);

/// Of a grid, whose positions lie line after line: what each position of the grid `to` is made of.
std::vector<MixedRow> resized_grid(ImageExtent from, ImageExtent to, Resampling resampling);

}  // namespace temper
