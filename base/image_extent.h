// How large an image is.
#pragma once

#include <cstdint>

namespace temper {

/// In pixels; 0: there is no image.
struct ImageExtent {
  std::int64_t height = 0;
  std::int64_t width = 0;

  [[nodiscard]] std::int64_t pixels() const { return height * width; }
  friend bool operator==(const ImageExtent&, const ImageExtent&) = default;
};

}  // namespace temper
