// Which random numbers a picture gets: each operation has a sequence of its own, so that one that is switched on does
// not change what others draw.
#pragma once

#include <cstdint>

#include "base/counter_random.h"
#include "data/images/augmentation.h"

namespace temper {

enum class PictureDraw : std::uint64_t {
  crop,
  padding,
  horizontal_flip,
  vertical_flip,
  rotation,
  rand_augment,
  colours,
  erasing,
  mixing,
};

inline CounterRandom random_for(const ExampleDraw& draw, PictureDraw purpose) {
  /// Keeps pictures apart from other random numbers of the same seed.
  constexpr std::uint64_t kPicturePurpose = 5;
  return CounterRandom({draw.seed, kPicturePurpose, static_cast<std::uint64_t>(purpose),
                        static_cast<std::uint64_t>(draw.epoch), draw.example});
}

}  // namespace temper
