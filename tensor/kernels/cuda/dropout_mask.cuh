// Dropout on the device: the same mask as everywhere, from tensor/random.h.
#pragma once

#include <cstdint>

#include "tensor/random.h"

namespace temper {

/// What a kernel needs of a Dropout; passed by value.
struct DropoutMask {
  std::uint32_t threshold = 0;  ///< 0: nothing is dropped
  std::uint32_t last_word = 0;  ///< place << 12
  float scale = 1.0F;
  PhiloxKey key{};
  const PhiloxKey* device_key = nullptr;

  [[nodiscard]] __device__ PhiloxKey current_key() const { return device_key == nullptr ? key : *device_key; }
};

inline DropoutMask mask_of(const Dropout& dropout) {
  return {dropout.threshold(), dropout.place << 12, dropout.scale(), dropout.key, dropout.device_key};
}

/// Half-word `column % 8` of the random words of a block of eight columns.
__device__ inline std::uint32_t half_word(const PhiloxCounter& words, std::int64_t column) {
  const auto place = static_cast<unsigned>(column % 8);
  return (words[place / 2] >> (16U * (place % 2))) & 0xFFFFU;
}

/// The words of columns [8 block, 8 block + 8) of a row of activations.
__device__ inline PhiloxCounter row_words(const DropoutMask& mask, std::uint32_t example, std::uint32_t position,
                                          std::uint32_t block) {
  return philox({block, position, example, mask.last_word}, mask.current_key());
}

/// What an element is multiplied by.
__device__ inline float dropout_factor(const DropoutMask& mask, std::uint32_t random) {
  return random < mask.threshold ? 0.0F : mask.scale;
}

}  // namespace temper
