#include "data/pictures/cmyk.h"

#include <cstddef>

namespace temper {

std::vector<std::uint8_t> cmyk_to_rgb(std::span<const std::uint8_t> cmyk, bool inverted) {
  const std::size_t pixels = cmyk.size() / 4;
  std::vector<std::uint8_t> rgb(pixels * 3);
  const unsigned turn = inverted ? 255U : 0U;
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const unsigned uncovered = 255U - (cmyk[pixel * 4 + 3] ^ turn);
    for (std::size_t ink = 0; ink < 3; ++ink) {
      // The product over 255, rounded to the nearest.
      const unsigned product = (cmyk[pixel * 4 + ink] ^ turn) * uncovered + 128U;
      const unsigned covered = ((product >> 8) + product) >> 8;
      rgb[pixel * 3 + ink] = static_cast<std::uint8_t>(covered < uncovered ? uncovered - covered : 0U);
    }
  }
  return rgb;
}

}  // namespace temper
