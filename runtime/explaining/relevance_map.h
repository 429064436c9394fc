// How much each place of an image counts for what a model says of it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/image_extent.h"

namespace temper {

struct RelevanceMap {
  ImageExtent grid;
  std::vector<double> values;  ///< [height, width], none below 0, in units of the method that made it
  double nothing = 0.0;        ///< the value of a place that is not marked at all: no place has less

  [[nodiscard]] double largest() const;
  /// Nowhere is anything marked.
  [[nodiscard]] bool is_empty() const { return largest() <= nothing; }
  [[nodiscard]] double mean() const;
  /// At a place of the image, `y` and `x` from 0 at its top left to 1: bilinear between the middles of the grid's
  /// cells, constant beyond the outermost, as torch.nn.functional.interpolate(align_corners=False) has it.
  [[nodiscard]] double at(double y, double x) const;
  /// [height, width] of an image of that size, at the middles of its pixels.
  [[nodiscard]] std::vector<double> resized(ImageExtent extent) const;
};

}  // namespace temper
