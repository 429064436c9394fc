// Where pixels come from when a picture is turned or sheared, as Pillow's transpose and transform do it.
#pragma once

#include <array>
#include <cstdint>

#include "data/pictures/picture.h"

namespace temper {

/// Left and right exchanged.
Picture mirrored(const Picture& picture);
/// Top and bottom exchanged.
Picture upside_down(const Picture& picture);

/// From the centre of an output's pixel (x, y) to a place in the input: (a x + b y + c, d x + e y + f).
using AffineMap = std::array<double, 6>;

/// Around the centre, counter-clockwise.
AffineMap rotation_map(ImageExtent extent, double degrees);

enum class Sampling : std::uint8_t { nearest, bilinear };

/// A picture of the same size; pixels that come from outside are `black`. Bilinear bytes are rounded down, as Pillow
/// rounds them, and nearest ones are found with 16 bits behind the point.
Picture transformed(const Picture& picture, const AffineMap& map, Sampling sampling);

}  // namespace temper
