// Element types. The type travels with every tensor; kernels that take a matrix of any type look at it (tensor/rows.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tensor/bfloat16.h"

namespace temper {

enum class DType : std::uint8_t {
  f32,
  bf16,
  f16,
  i32,
  u32,
  f64,
  // Blocks of quantised weights as ggml has them (kernels/cpu/quantized_blocks.h), which products and lookups of rows
  // read on CPUs.
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
};

/// How elements lie in memory: 2^log2_elements of them together in so many bytes.
struct ElementLayout {
  std::string_view name;
  std::uint8_t log2_elements;
  std::uint8_t bytes;
};

/// In the order of the types. Sizes of blocks from ggml-common.h (ggml).
inline constexpr ElementLayout kElementLayouts[] = {
    {"f32", 0, 4},    {"bf16", 0, 2},   {"f16", 0, 2},    {"i32", 0, 4},    {"u32", 0, 4},     {"f64", 0, 8},
    {"q4_0", 5, 18},  {"q4_1", 5, 20},  {"q5_0", 5, 22},  {"q5_1", 5, 24},  {"q8_0", 5, 34},   {"q2_k", 8, 84},
    {"q3_k", 8, 110}, {"q4_k", 8, 144}, {"q5_k", 8, 176}, {"q6_k", 8, 210}, {"iq4_nl", 5, 18}, {"iq4_xs", 8, 136},
};

constexpr const ElementLayout& layout_of(DType type) { return kElementLayouts[static_cast<std::size_t>(type)]; }

constexpr std::string_view name_of(DType type) { return layout_of(type).name; }

/// Whether elements come in blocks of several.
constexpr bool is_quantized(DType type) { return layout_of(type).log2_elements != 0; }

/// Of an element; what is quantised has blocks.
constexpr std::size_t size_of(DType type) { return is_quantized(type) ? 0 : layout_of(type).bytes; }

/// Bytes of so many elements, of what is quantised those of whole blocks.
constexpr std::size_t size_of(DType type, std::int64_t elements) {
  return static_cast<std::size_t>(elements >> layout_of(type).log2_elements) * layout_of(type).bytes;
}

/// Frozen weights may have this type beside matrices of f32, as their file has it: all but bf16 on the host alone.
constexpr bool is_narrow(DType type) { return type == DType::bf16 || type == DType::f16 || is_quantized(type); }

/// The DType of a C++ element type.
template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<std::uint32_t>() {
  return DType::u32;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return DType::bf16;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}

}  // namespace temper
