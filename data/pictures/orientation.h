// How a camera was held: EXIF's orientation (CIPA DC-008, tag 0x0112; TIFF's tag 274 is the same).
#pragma once

#include <cstddef>
#include <span>

#include "data/pictures/picture.h"

namespace temper {

/// The orientation in EXIF data, which begin with a TIFF header, after "Exif" and two zeros in JPEG; 1, as the picture
/// lies, where they say none or are damaged: a picture is not lost for that.
int exif_orientation(std::span<const std::byte> exif);

/// Turns and mirrors a picture to how it is to be looked at. `orientation`: 1 to 8; 5 to 8 exchange height and width.
void turn_by_orientation(Picture& picture, int orientation);

}  // namespace temper
