// The types of tensors in GGUF files, as ggml numbers them (ggml.h): a row is a whole number of blocks of so many
// elements in so many bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace temper {

enum class GgmlType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  f64 = 28,
  bf16 = 30,
};

struct GgmlTypeLayout {
  GgmlType type;  ///< a number that may have no name above
  std::string_view name;
  std::size_t block_elements;
  std::size_t block_bytes;
  bool is_read;                  ///< its values can be had (dequantize.h)
  DType quantized = DType::f32;  ///< a tensor's type that has these very blocks; f32 where there is none
};

/// Null for numbers that no type has any more, or not yet.
const GgmlTypeLayout* find_layout(std::uint32_t type);
/// Of a type that a reader or a writer has checked.
const GgmlTypeLayout& layout_of(GgmlType type);
/// The names of the types that are read: "F32, F16, Q4_0, ...".
std::string names_of_types_read();

}  // namespace temper
