// Patches of images through a linear layer, which files have as a convolution whose stride is as wide as its kernel.
#pragma once

#include <cstdint>
#include <string>

#include "base/image_extent.h"
#include "model/layers/linear.h"
#include "model/packed_input.h"

namespace temper {

class PatchProjection {
 public:
  /// Adds `name`.weight [width, channels, patch height, patch width] and `name`.bias [width].
  PatchProjection(const ParameterPlace& place, const std::string& name, std::int64_t width, std::int64_t channels,
                  ImageExtent patch);

  /// [images * patches, width], line after line. Throws Error for images of other channels.
  Variable operator()(Tape& tape, const PixelInput& pixels) const;
  [[nodiscard]] ImageExtent patch() const { return patch_; }
  /// Of an image: how many patches there are down and across.
  [[nodiscard]] ImageExtent grid(const PixelInput& pixels) const {
    return {pixels.height / patch_.height, pixels.width / patch_.width};
  }

 private:
  std::int64_t channels_;
  ImageExtent patch_;
  Linear linear_;
};

}  // namespace temper
