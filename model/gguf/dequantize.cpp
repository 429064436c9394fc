#include "model/gguf/dequantize.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/half_float.h"

namespace temper {
namespace {

using Byte = std::uint8_t;

/// Elements of a block of the K types, and of the group that has a scale of its own in most of them.
constexpr int kSuperBlock = 256;
constexpr int kGroup = 32;

float f16_at(const Byte* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof(half));
  return from_f16(half);
}

/// The 4-bit number of element i of 32 in 16 bytes: the lower halves come first.
int nibble(const Byte* packed, int i) { return i < 16 ? packed[i] & 0xf : packed[i - 16] >> 4; }

/// Bit i of 32 in four bytes.
int bit(const Byte* bytes, int i) { return (bytes[i / 8] >> (i % 8)) & 1; }

void q4_0(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 2, i) - 8);
}

void q4_1(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 4, i)) + least;
}

void q5_0(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i)
    out[i] = scale * static_cast<float>((nibble(block + 6, i) | (bit(block + 2, i) << 4)) - 16);
}

void q5_1(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < 32; ++i)
    out[i] = scale * static_cast<float>(nibble(block + 8, i) | (bit(block + 4, i) << 4)) + least;
}

void q8_0(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

/// scales [16] (4 bits of scale, 4 of minimum), quants [64], scale, minimum. Element i = 128 h + 32 s + l lies in byte
/// 32 h + l at bits 2 s.
void q2_k(const Byte* block, float* out) {
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
void q3_k(const Byte* block, float* out) {
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
ScaleAndMinimum scale_and_minimum(const Byte* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  const Byte low = packed[group + 4];
  return {(low & 0xf) | (packed[group - 4] >> 6 << 4), (low >> 4) | (packed[group] >> 6 << 4)};
}

/// Element i of a K type with 4 bits: groups of 32 share bytes in pairs.
int paired_nibble(const Byte* quants, int i) {
  const Byte both = quants[i / 64 * 32 + i % 32];
  return i % 64 < 32 ? both & 0xf : both >> 4;
}

void q4_k(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMinimum of_group = scale_and_minimum(block + 4, i / kGroup);
    out[i] = scale * static_cast<float>(of_group.scale) * static_cast<float>(paired_nibble(block + 16, i)) -
             least * static_cast<float>(of_group.minimum);
  }
}

void q5_k(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const float least = f16_at(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMinimum of_group = scale_and_minimum(block + 4, i / kGroup);
    const int high = (block[16 + i % 32] >> (i / 32)) & 1;
    const int quant = paired_nibble(block + 48, i) | (high << 4);
    out[i] = scale * static_cast<float>(of_group.scale) * static_cast<float>(quant) -
             least * static_cast<float>(of_group.minimum);
  }
}

/// low bits [128], high bits [64], scales [16] of 8 bits, scale.
void q6_k(const Byte* block, float* out) {
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

constexpr std::array<std::int8_t, 16> kNonLinear = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                    1,    13,   25,  38,  53,  69,  89,  113};

void iq4_nl(const Byte* block, float* out) {
  const float scale = f16_at(block);
  for (int i = 0; i < 32; ++i)
    out[i] = scale * static_cast<float>(kNonLinear[static_cast<std::size_t>(nibble(block + 2, i))]);
}

/// scale, high bits of the groups' scales (2 each), low bits (4 each), quants [128].
void iq4_xs(const Byte* block, float* out) {
  const float scale = f16_at(block);
  const int high_bits = block[2] | (block[3] << 8);
  for (int group = 0; group < kSuperBlock / kGroup; ++group) {
    const int low = (block[4 + group / 2] >> (group % 2 * 4)) & 0xf;
    const float of_group = scale * static_cast<float>((low | (((high_bits >> (2 * group)) & 3) << 4)) - 32);
    const Byte* quants = block + 8 + group * 16;
    for (int i = 0; i < kGroup; ++i)
      out[group * kGroup + i] = of_group * static_cast<float>(kNonLinear[static_cast<std::size_t>(nibble(quants, i))]);
  }
}

void f32(const Byte* block, float* out) { std::memcpy(out, block, sizeof(float)); }

void f16(const Byte* block, float* out) { *out = f16_at(block); }

void bf16(const Byte* block, float* out) {
  std::uint16_t half = 0;
  std::memcpy(&half, block, sizeof(half));
  *out = from_bf16(half);
}

void f64(const Byte* block, float* out) {
  double value = 0.0;
  std::memcpy(&value, block, sizeof(value));
  *out = static_cast<float>(value);
}

template <void (*decode)(const Byte*, float*)>
void each_block(const GgmlTypeLayout& layout, const Byte* blocks, std::span<float> out) {
  for (std::size_t done = 0; done < out.size(); done += layout.block_elements) {
    decode(blocks, out.data() + done);
    blocks += layout.block_bytes;
  }
}

}  // namespace

void dequantize(GgmlType type, std::span<const std::byte> blocks, std::span<float> out) {
  const GgmlTypeLayout& layout = layout_of(type);
  const std::size_t count = blocks.size() / layout.block_bytes;
  if (blocks.size() % layout.block_bytes != 0 || out.size() != count * layout.block_elements)
    throw Error("{} bytes of {} were to be {} values, expected whole blocks of {} bytes for {} values each",
                blocks.size(), layout.name, out.size(), layout.block_bytes, layout.block_elements);
  const auto* bytes = reinterpret_cast<const Byte*>(blocks.data());
  switch (type) {
    case GgmlType::f32:
      return each_block<f32>(layout, bytes, out);
    case GgmlType::f16:
      return each_block<f16>(layout, bytes, out);
    case GgmlType::q4_0:
      return each_block<q4_0>(layout, bytes, out);
    case GgmlType::q4_1:
      return each_block<q4_1>(layout, bytes, out);
    case GgmlType::q5_0:
      return each_block<q5_0>(layout, bytes, out);
    case GgmlType::q5_1:
      return each_block<q5_1>(layout, bytes, out);
    case GgmlType::q8_0:
      return each_block<q8_0>(layout, bytes, out);
    case GgmlType::q2_k:
      return each_block<q2_k>(layout, bytes, out);
    case GgmlType::q3_k:
      return each_block<q3_k>(layout, bytes, out);
    case GgmlType::q4_k:
      return each_block<q4_k>(layout, bytes, out);
    case GgmlType::q5_k:
      return each_block<q5_k>(layout, bytes, out);
    case GgmlType::q6_k:
      return each_block<q6_k>(layout, bytes, out);
    case GgmlType::iq4_nl:
      return each_block<iq4_nl>(layout, bytes, out);
    case GgmlType::iq4_xs:
      return each_block<iq4_xs>(layout, bytes, out);
    case GgmlType::f64:
      return each_block<f64>(layout, bytes, out);
    case GgmlType::bf16:
      return each_block<bf16>(layout, bytes, out);
  }
  throw Error("tensors of type {} are not read, expected one of {}", layout.name, names_of_types_read());
}

}  // namespace temper
