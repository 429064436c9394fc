// The upper half of an IEEE 754 single: 8 bits of exponent, 7 of mantissa (bfloat16, "brain floating point").
#pragma once

#include <bit>
#include <cstdint>

namespace temper {

struct BFloat16 {
  std::uint16_t bits = 0;
};

/// Rounded to nearest, ties to even; a NaN stays one. Denormals are flushed to zero, as in the processors' own
/// instruction and in all arithmetic on CPUs (tensor/device.h).
constexpr BFloat16 to_bfloat16(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  if ((word & 0x7F800000U) == 0) return {static_cast<std::uint16_t>((word >> 16) & 0x8000U)};
  if ((word & 0x7FFFFFFFU) > 0x7F800000U) return {static_cast<std::uint16_t>((word >> 16) | 0x40U)};
  return {static_cast<std::uint16_t>((word + 0x7FFFU + ((word >> 16) & 1U)) >> 16)};
}

constexpr float to_float(BFloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16); }

}  // namespace temper
