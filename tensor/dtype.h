// Element types. The type travels with every tensor; kernels that take a matrix of any type look at it (tensor/rows.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tensor/bfloat16.h"

namespace temper {

enum class DType : std::uint8_t { f32, bf16, f16, i32, u32, f64 };

constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::bf16:
    case DType::f16:
      return 2;
    case DType::f32:
    case DType::i32:
    case DType::u32:
      return 4;
    case DType::f64:
      return 8;
  }
  return 0;
}

constexpr std::string_view name_of(DType type) {
  switch (type) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f16:
      return "f16";
    case DType::i32:
      return "i32";
    case DType::u32:
      return "u32";
    case DType::f64:
      return "f64";
  }
  return "unknown";
}

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
