#include "data/images/rand_augment.h"

#include <cmath>
#include <utility>

#include "data/images/colour_changes.h"
#include "data/images/geometry.h"

namespace temper {

Picture rand_augmented(const Picture& picture, RandAugmentOperation operation, std::int64_t magnitude, bool negative) {
  const double strength = static_cast<double>(magnitude) / static_cast<double>(kStrongestRandAugment);
  const double sign = negative ? -1.0 : 1.0;
  const auto move = [&](std::int64_t side) {
    return std::trunc(sign * strength * 150.0 / 331.0 * static_cast<double>(side));
  };
  const double shear = sign * strength * 0.3;
  const double factor = 1.0 + sign * strength * 0.9;
  switch (operation) {
    case RandAugmentOperation::identity:
      return picture;
    case RandAugmentOperation::shear_x:
      return transformed(picture, {1.0, shear, 0.0, 0.0, 1.0, 0.0}, Sampling::nearest);
    case RandAugmentOperation::shear_y:
      return transformed(picture, {1.0, 0.0, 0.0, shear, 1.0, 0.0}, Sampling::nearest);
    case RandAugmentOperation::translate_x:
      return transformed(picture, {1.0, 0.0, -move(picture.extent.width), 0.0, 1.0, 0.0}, Sampling::nearest);
    case RandAugmentOperation::translate_y:
      return transformed(picture, {1.0, 0.0, 0.0, 0.0, 1.0, -move(picture.extent.height)}, Sampling::nearest);
    case RandAugmentOperation::rotate:
      return transformed(picture, rotation_map(picture.extent, sign * strength * 30.0), Sampling::nearest);
    case RandAugmentOperation::brightness:
      return with_brightness(picture, factor);
    case RandAugmentOperation::colour:
      return with_saturation(picture, factor);
    case RandAugmentOperation::contrast:
      return with_contrast(picture, factor);
    case RandAugmentOperation::sharpness:
      return with_sharpness(picture, factor);
    case RandAugmentOperation::posterize:
      return posterized(picture, 8 - static_cast<int>(std::nearbyint(strength * 4.0)));
    case RandAugmentOperation::solarize:
      return solarized(picture, 255.0 * (1.0 - strength));
    case RandAugmentOperation::auto_contrast:
      return with_stretched_contrast(picture);
    case RandAugmentOperation::equalize:
      break;
  }
  return equalized(picture);
}

Picture rand_augmented(Picture picture, std::int64_t operations, std::int64_t magnitude, CounterRandom& random) {
  for (std::int64_t i = 0; i < operations; ++i) {
    const auto operation = static_cast<RandAugmentOperation>(random.below(kRandAugmentOperations));
    const bool negative = random.below(2) == 1;
    picture = rand_augmented(picture, operation, magnitude, negative);
  }
  return picture;
}

}  // namespace temper
