// Quantised weights for tests: random blocks, and their values by loops over elements that follow ggml-quants.c (ggml),
// which tests/model/gguf compares with the gguf package.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/half_float.h"
#include "tensor/rows.h"

namespace temper::reference_blocks {

using Byte = std::uint8_t;

/// Elements of a block of the K types, and of the group that has a scale of its own in most of them.
inline constexpr int kSuperBlock = 256;
inline constexpr int kGroupOf32 = 32;

inline float f16_at(const Byte* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof(half));
  return from_f16(half);
}

/// The 4-bit number of element i of 32 in 16 bytes: the lower halves come first.
inline int nibble(const Byte* packed, int i) { return i < 16 ? packed[i] & 0xf : packed[i - 16] >> 4; }

/// Bit i of 32 in four bytes.
inline int bit(const Byte* bytes, int i) { return (bytes[i / 8] >> (i % 8)) & 1; }

inline void q4_0(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 2, i) - 8);
}

inline void q4_1(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 4, i)) + least;
}

inline void q5_0(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i)
    out[i] = scale * static_cast<float>((nibble(block + 6, i) | (bit(block + 2, i) << 4)) - 16);
}

inline void q5_1(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < 32; ++i)
    out[i] = scale * static_cast<float>(nibble(block + 8, i) | (bit(block + 4, i) << 4)) + least;
}

inline void q8_0(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

/// scales [16] (4 bits of scale, 4 of minimum), quants [64], scale, minimum. Element i = 128 h + 32 s + l lies in byte
/// 32 h + l at bits 2 s.
inline void q2_k(const Byte* block, float* out) {
  const Byte* quants = block + 16;
  const float scale = f16_at(block + 80);
  const float least = f16_at(block + 82);
  for (int i = 0; i < kSuperBlock; ++i) {
    const Byte part = block[i / 16];
    const int quant = (quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    out[i] = scale * static_cast<float>(part & 0xf) * static_cast<float>(quant) - least * static_cast<float>(part >> 4);
  }
}

/// high bits [32], quants [64] as in Q2_K, scales [12] of 6 bits, scale. A high bit that is clear takes 4 away.
inline void q3_k(const Byte* block, float* out) {
  const Byte* quants = block + 32;
  const Byte* packed = block + 96;
  const float scale = f16_at(block + 108);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int group = i / 16;
    const int low = group < 8 ? packed[group] & 0xf : packed[group - 8] >> 4;
    const int high = (packed[8 + group % 4] >> (group / 4 * 2)) & 3;
    const int of_group = (low | (high << 4)) - 32;
    const int quant = (quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int below = ((block[i % 32] >> (i / 32)) & 1) != 0 ? 0 : 4;
    out[i] = scale * static_cast<float>(of_group) * static_cast<float>(quant - below);
  }
}

struct ScaleAndMinimum {
  int scale;
  int minimum;
};

/// Of group 0 to 7, 6 bits each in 12 bytes: those of the first four are whole, those of the last in two parts.
inline ScaleAndMinimum scale_and_minimum(const Byte* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  const Byte low = packed[group + 4];
  return {(low & 0xf) | (packed[group - 4] >> 6 << 4), (low >> 4) | (packed[group] >> 6 << 4)};
}

/// Element i of a K type with 4 bits: groups of 32 share bytes in pairs.
inline int paired_nibble(const Byte* quants, int i) {
  const Byte both = quants[i / 64 * 32 + i % 32];
  return i % 64 < 32 ? both & 0xf : both >> 4;
}

inline void q4_k(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMinimum of_group = scale_and_minimum(block + 4, i / kGroupOf32);
    out[i] = scale * static_cast<float>(of_group.scale) * static_cast<float>(paired_nibble(block + 16, i)) -
             least * static_cast<float>(of_group.minimum);
  }
}

inline void q5_k(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMinimum of_group = scale_and_minimum(block + 4, i / kGroupOf32);
    const int high = (block[16 + i % 32] >> (i / 32)) & 1;
    const int quant = paired_nibble(block + 48, i) | (high << 4);
    out[i] = scale * static_cast<float>(of_group.scale) * static_cast<float>(quant) -
             least * static_cast<float>(of_group.minimum);
  }
}

/// low bits [128], high bits [64], scales [16] of 8 bits, scale.
inline void q6_k(const Byte* block, float* out) {
  const Byte* high_bits = block + 128;
  const auto* scales = reinterpret_cast<const std::int8_t*>(block + 192);
  const float scale = f16_at(block + 208);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int half = i / 128;
    const int within = i % 128;
    const Byte both = block[half * 64 + within % 64];
    const int low = within < 64 ? both & 0xf : both >> 4;
    const int high = (high_bits[half * 32 + within % 32] >> (within / 32 * 2)) & 3;
    out[i] = scale * static_cast<float>(scales[i / 16]) * static_cast<float>((low | (high << 4)) - 32);
  }
}

inline constexpr std::array<std::int8_t, 16> kNonLinear = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                           1,    13,   25,  38,  53,  69,  89,  113};

inline void iq4_nl(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i)
    out[i] = scale * static_cast<float>(kNonLinear[static_cast<std::size_t>(nibble(block + 2, i))]);
}

/// scale, high bits of the groups' scales (2 each), low bits (4 each), quants [128].
inline void iq4_xs(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const int high_bits = block[2] | (block[3] << 8);
  for (int group = 0; group < kSuperBlock / kGroupOf32; ++group) {
    const int low = (block[4 + group / 2] >> (group % 2 * 4)) & 0xf;
    const float of_group = scale * static_cast<float>((low | (((high_bits >> (2 * group)) & 3) << 4)) - 32);
    const Byte* quants = block + 8 + group * 16;
    for (int i = 0; i < kGroupOf32; ++i)
      out[group * kGroupOf32 + i] =
          of_group * static_cast<float>(kNonLinear[static_cast<std::size_t>(nibble(quants, i))]);
  }
}

struct Format {
  DType type;
  void (*decode)(const Byte* block, float* out);
  std::vector<std::size_t> scales;  ///< where a block has numbers of f16
};

inline const std::vector<Format>& formats() {
  static const std::vector<Format> all = {
      {DType::q4_0, q4_0, {0}},    {DType::q4_1, q4_1, {0, 2}},  {DType::q5_0, q5_0, {0}},
      {DType::q5_1, q5_1, {0, 2}}, {DType::q8_0, q8_0, {0}},     {DType::q2_k, q2_k, {80, 82}},
      {DType::q3_k, q3_k, {108}},  {DType::q4_k, q4_k, {0, 2}},  {DType::q5_k, q5_k, {0, 2}},
      {DType::q6_k, q6_k, {208}},  {DType::iq4_nl, iq4_nl, {0}}, {DType::iq4_xs, iq4_xs, {0}}};
  return all;
}

/// Blocks of random bits whose values are about 1 at most.
inline std::vector<std::byte> random_blocks(const Format& format, std::int64_t elements, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(size_of(format.type, elements));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  const std::size_t block = layout_of(format.type).bytes;
  const bool has_scales_of_groups = layout_of(format.type).log2_elements == 8;
  std::uniform_real_distribution<float> scale(-1.0F, 1.0F);
  for (std::size_t begin = 0; begin < bytes.size(); begin += block)
    for (const std::size_t at : format.scales) {
      const std::uint16_t half = to_f16(scale(random) * (has_scales_of_groups ? 3e-4F : 1e-2F));
      std::memcpy(bytes.data() + begin + at, &half, sizeof(half));
    }
  return bytes;
}

inline std::vector<float> values_of(const Format& format, const std::vector<std::byte>& blocks) {
  const std::size_t elements = std::size_t{1} << layout_of(format.type).log2_elements;
  const std::size_t bytes = layout_of(format.type).bytes;
  std::vector<float> values(blocks.size() / bytes * elements);
  for (std::size_t i = 0; i < blocks.size() / bytes; ++i)
    format.decode(reinterpret_cast<const Byte*>(blocks.data()) + i * bytes, values.data() + i * elements);
  return values;
}

}  // namespace temper::reference_blocks
