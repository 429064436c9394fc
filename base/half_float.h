// The 16-bit floating-point formats of files: IEEE 754 binary16 and bfloat16. No result depends on whether the
// processor flushes denormals to zero.
#pragma once

#include <bit>
#include <cstdint>

namespace temper {

/// Exact. Denormals are rebuilt by a subtraction of normal numbers.
inline float from_f16(std::uint16_t half) {
  constexpr std::uint32_t kRebias = (127U - 15U) << 23;
  constexpr std::uint32_t kSmallestNormal = (127U - 14U) << 23;  // 2^-14
  const std::uint32_t magnitude = (half & 0x7fffU) << 13;
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t normal = magnitude + kRebias;
  const std::uint32_t special = magnitude + 2 * kRebias;
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude + kSmallestNormal) -
                                                               std::bit_cast<float>(kSmallestNormal));
  const std::uint32_t exponent = half & 0x7c00U;
  return std::bit_cast<float>(sign | (exponent == 0 ? subnormal : exponent == 0x7c00U ? special : normal));
}

/// Rounded to nearest even; infinite from 65520 on; a NaN stays one.
inline std::uint16_t to_f16(float value) {
  constexpr std::uint32_t kInfinity = 0x7f800000U;
  constexpr std::uint32_t kSmallestNormal = (127U - 14U) << 23;  // 2^-14
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > kInfinity) return static_cast<std::uint16_t>(sign | 0x7e00U | ((magnitude >> 13) & 0x3ffU));
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);
  if (magnitude < kSmallestNormal) {
    // In units of 2^-24: the bits below them are cut off by hand, to nearest even.
    const std::uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return sign;  // below half a unit
    const std::uint32_t mantissa = (magnitude & 0x7fffffU) | 0x800000U;
    const std::uint32_t shift = 126 - exponent;
    const std::uint32_t kept = mantissa >> shift;
    const std::uint32_t rest = mantissa & ((1U << shift) - 1);
    const std::uint32_t half = 1U << (shift - 1);
    const std::uint32_t up = rest > half || (rest == half && (kept & 1U) != 0) ? 1 : 0;
    return static_cast<std::uint16_t>(sign | (kept + up));
  }
  const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U) - ((127U - 15U) << 23);
  return static_cast<std::uint16_t>(sign | (rounded >> 13));
}

/// bfloat16 is the upper half of a binary32.
inline float from_bf16(std::uint16_t half) { return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16); }

/// Rounded to nearest even; a NaN stays one.
inline std::uint16_t to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace temper
