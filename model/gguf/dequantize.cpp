#include "model/gguf/dequantize.h"

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/half_float.h"
#include "tensor/kernels/cpu/quantized_blocks.h"

namespace temper {
namespace {

using Byte = std::uint8_t;

void f32(const Byte* block, float* out) { std::memcpy(out, block, sizeof(float)); }

void f16(const Byte* block, float* out) {
  std::uint16_t half = 0;
  std::memcpy(&half, block, sizeof(half));
  *out = from_f16(half);
}

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
void each_element(const GgmlTypeLayout& layout, const Byte* elements, std::span<float> out) {
  for (float& value : out) {
    decode(elements, &value);
    elements += layout.block_bytes;
  }
}

}  // namespace

void dequantize(GgmlType type, std::span<const std::byte> blocks, std::span<float> out) {
  const GgmlTypeLayout& layout = layout_of(type);
  const std::size_t count = blocks.size() / layout.block_bytes;
  if (blocks.size() % layout.block_bytes != 0 || out.size() != count * layout.block_elements)
    throw Error("{} bytes of {} were to be {} values, expected whole blocks of {} bytes for {} values each",
                blocks.size(), layout.name, out.size(), layout.block_bytes, layout.block_elements);
  if (is_quantized(layout.quantized)) {
    const auto elements = static_cast<std::int64_t>(out.size());
    return decode_rows({blocks.data(), 1, elements, elements, layout.quantized}, out.data(), elements);
  }
  const auto* bytes = reinterpret_cast<const Byte*>(blocks.data());
  switch (type) {
    case GgmlType::f32:
      return each_element<f32>(layout, bytes, out);
    case GgmlType::f16:
      return each_element<f16>(layout, bytes, out);
    case GgmlType::f64:
      return each_element<f64>(layout, bytes, out);
    case GgmlType::bf16:
      return each_element<bf16>(layout, bytes, out);
    default:
      break;
  }
  throw Error("tensors of type {} are not read, expected one of {}", layout.name, names_of_types_read());
}

}  // namespace temper
