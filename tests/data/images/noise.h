// Pictures of noise, of a seed.
#pragma once

#include <cstdint>
#include <vector>

#include "base/counter_random.h"
#include "data/pictures/picture.h"

namespace temper::testing_support {

inline Picture noise(ImageExtent extent, std::int64_t channels, std::uint64_t seed) {
  CounterRandom random({seed});
  std::vector<std::uint8_t> samples;
  for (std::int64_t i = 0; i < extent.pixels() * channels; ++i)
    samples.push_back(static_cast<std::uint8_t>(random.below(256)));
  return {extent, channels, samples, 0.0F, 255.0F};
}

}  // namespace temper::testing_support
