// How RandAugment and ColorJitter change the samples of a picture, as Pillow's ImageEnhance and ImageOps do it. All
// take pictures in_byte_range (colour.h): of bytes results are Pillow's to the bit, rounded down as there; of floats
// they are the same formulas without rounding, cut off at 0 and 255.
#pragma once

#include "data/pictures/picture.h"

namespace temper {

/// Towards black: a factor of 0 gives black, 1 the picture.
Picture with_brightness(const Picture& picture, double factor);
/// Towards the mean of its grey, rounded.
Picture with_contrast(const Picture& picture, double factor);
/// Towards its grey; a grey picture stays.
Picture with_saturation(const Picture& picture, double factor);
/// Towards a blurred picture: a mean of 3 by 3 pixels in which the middle counts five times; edges stay.
Picture with_sharpness(const Picture& picture, double factor);
/// Only the upper `bits` of 8 bits are kept, 1 to 8.
Picture posterized(const Picture& picture, int bits);
/// Samples of `threshold` and above are turned over.
Picture solarized(const Picture& picture, double threshold);
/// Each channel stretched to 0 to 255.
Picture with_stretched_contrast(const Picture& picture);
/// Each channel's histogram made even.
Picture equalized(const Picture& picture);

}  // namespace temper
