// RandAugment (Cubuk et al., 2020) with the 14 operations, strengths and signs that torchvision has.
#pragma once

#include <cstdint>

#include "base/counter_random.h"
#include "data/pictures/picture.h"

namespace temper {

enum class RandAugmentOperation : std::uint8_t {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  colour,
  contrast,
  sharpness,
  posterize,
  solarize,
  auto_contrast,
  equalize,
};

inline constexpr std::int64_t kRandAugmentOperations = 14;
/// Strengths are 0 to this.
inline constexpr std::int64_t kStrongestRandAugment = 30;

/// One operation on a picture in_byte_range (colour.h). `negative` turns its direction over, where it has one. What
/// comes from outside is black, and the nearest pixel is taken.
Picture rand_augmented(const Picture& picture, RandAugmentOperation operation, std::int64_t magnitude, bool negative);

/// `operations` of them, drawn with replacement, one after the other, with signs that are drawn too.
Picture rand_augmented(Picture picture, std::int64_t operations, std::int64_t magnitude, CounterRandom& random);

}  // namespace temper
