#include "model/gguf/quantize.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/half_float.h"

namespace temper {
namespace {

constexpr std::array<GgmlType, 5> kTypesWritten = {GgmlType::f32, GgmlType::f16, GgmlType::bf16, GgmlType::q8_0,
                                                   GgmlType::q4_0};
constexpr std::size_t kBlock = 32;

using BlockOfValues = std::span<const float, kBlock>;

void put_f16(float value, std::byte* out) {
  const std::uint16_t half = to_f16(value);
  std::memcpy(out, &half, sizeof(half));
}

/// Zero where there is none: such a scale is stored as zero, too.
float inverse_of(float scale) {
  const float inverse = 1.0F / scale;
  return std::isfinite(inverse) ? inverse : 0.0F;
}

void quantize_q8_0(BlockOfValues values, std::byte* out) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  const float scale = largest / 127.0F;
  const float inverse = inverse_of(scale);
  put_f16(scale, out);
  for (std::size_t i = 0; i < kBlock; ++i)
    out[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(std::round(values[i] * inverse)));
}

/// Eight steps below zero and seven above: the value of largest magnitude, the first of equal ones, becomes -8 scales.
void quantize_q4_0(BlockOfValues values, std::byte* out) {
  float largest = 0.0F;
  for (const float value : values)
    if (std::fabs(value) > std::fabs(largest)) largest = value;
  const float scale = largest / -8.0F;
  const float inverse = inverse_of(scale);
  const auto quant = [&](std::size_t i) {
    return static_cast<unsigned>(std::clamp(static_cast<int>(values[i] * inverse + 8.5F), 0, 15));
  };
  put_f16(scale, out);
  for (std::size_t i = 0; i < kBlock / 2; ++i) out[2 + i] = static_cast<std::byte>(quant(i) | (quant(i + 16) << 4));
}

}  // namespace

std::span<const GgmlType> types_written() { return kTypesWritten; }

GgmlType type_to_write(std::string_view name) {
  std::string capitals(name);
  for (char& c : capitals) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string known;
  for (const GgmlType type : kTypesWritten) {
    if (layout_of(type).name == capitals) return type;
    known += (known.empty() ? "" : ", ") + std::string(layout_of(type).name);
  }
  throw usage_error("\"{}\" is no type of tensors that can be written, expected one of {}", name, known);
}

void quantize(GgmlType type, std::span<const float> values, std::string_view place, std::vector<std::byte>& blocks) {
  const GgmlTypeLayout& layout = layout_of(type);
  if (values.size() % layout.block_elements != 0)
    throw Error("{}: has {} values, expected whole blocks of {}", place, values.size(), layout.block_elements);
  const std::size_t count = values.size() / layout.block_elements;
  const std::size_t begin = blocks.size();
  blocks.resize(begin + count * layout.block_bytes);
  std::byte* out = blocks.data() + begin;
  if (type == GgmlType::f32) {
    if (!values.empty()) std::memcpy(out, values.data(), values.size_bytes());
    return;
  }
  const float highest = type == GgmlType::f16 ? 65519.996F : 65519.996F * 8.0F;  // 65520 is rounded to infinity
  if (type != GgmlType::bf16)
    for (const float value : values)
      if (!(std::fabs(value) <= highest))
        throw Error("{}: has the value {}, which {} cannot hold; write BF16 or F32", place, value, layout.name);
  for (std::size_t i = 0; i < count; ++i, out += layout.block_bytes) {
    const float* from = values.data() + i * layout.block_elements;
    if (type == GgmlType::f16) put_f16(*from, out);
    if (type == GgmlType::bf16) {
      const std::uint16_t half = to_bf16(*from);
      std::memcpy(out, &half, sizeof(half));
    }
    if (type == GgmlType::q8_0) quantize_q8_0(BlockOfValues(from, kBlock), out);
    if (type == GgmlType::q4_0) quantize_q4_0(BlockOfValues(from, kBlock), out);
  }
}

}  // namespace temper
