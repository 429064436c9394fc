// The way back from what a model sees to what a person can look at.
#pragma once

#include <cstdint>
#include <span>

#include "data/images/image_processor.h"
#include "data/pictures/picture.h"

namespace temper {

/// Of pixels [height, width, channels] as normalize_pixels makes them: the picture of 8 bits, rounded, what lies beyond
/// black and white moved there. Throws Error as normalize_pixels does for mean and deviation of other channels.
Picture seen_picture(std::span<const float> pixels, ImageExtent extent, std::int64_t channels,
                     const ImageProcessor& processor);

}  // namespace temper
