// Maps of images as convolutional nets hand them on: a row for each pixel, whose number depends on the size of the
// images and on what the net has done to it so far.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/image_extent.h"
#include "model/packed_input.h"
#include "tensor/ops/convolution.h"

namespace temper {

/// What a step of a net takes at each of its places: a square of pixels.
struct SquareWindow {
  std::int64_t side = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;

  [[nodiscard]] WindowShape over(std::int64_t images, ImageExtent map) const {
    return {images, map.height, map.width, side, side, stride, padding};
  }
  /// Of the map that comes out; 0 where the window does not fit.
  [[nodiscard]] ImageExtent extent(ImageExtent map) const {
    const WindowShape shape = over(1, map);
    return {shape.high(), shape.wide()};
  }
};

/// How the stages of a net change the size of maps.
class MapSizes {
 public:
  /// The next stage goes through these windows, one after the other.
  void add_stage(std::vector<SquareWindow> windows) { stages_.push_back(std::move(windows)); }

  /// Of the map above stage `stage`; -1: of the image itself.
  [[nodiscard]] ImageExtent above(std::int64_t stage, ImageExtent image) const {
    for (std::int64_t i = 0; i <= stage; ++i)
      for (const SquareWindow& window : stages_[static_cast<std::size_t>(i)]) image = window.extent(image);
    return image;
  }
  /// Of the last map. Throws Error, without a place, where an image of this size leaves none.
  [[nodiscard]] ImageExtent last(ImageExtent image) const;
  [[nodiscard]] std::int64_t last_pixels(ImageExtent image) const { return last(image).pixels(); }

 private:
  std::vector<std::vector<SquareWindow>> stages_;
};

/// The images of a batch.
inline ImageExtent extent_of_images(const PackedInput& input) { return {input.pixels.height, input.pixels.width}; }

/// The pixels of a batch in the type of the tape's activations.
Variable pixels_as_activations(Tape& tape, const PackedInput& input);

}  // namespace temper
