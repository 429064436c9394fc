// Pictures for printing as pictures for a screen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace temper {

/// Red, green and blue [pixels, 3] of cyan, magenta, yellow and black [pixels, 4], as Pillow converts them: each colour
/// is what neither its ink nor black has covered. `inverted`: 255 is no ink, as Adobe writes JPEG.
std::vector<std::uint8_t> cmyk_to_rgb(std::span<const std::uint8_t> cmyk, bool inverted);

}  // namespace temper
