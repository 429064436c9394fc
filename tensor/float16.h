// IEEE 754 half precision (binary16), as files have weights: read by products and lookups of rows, never computed with.
#pragma once

#include <cstdint>

#include "base/half_float.h"
#include "tensor/dtype.h"

namespace temper {

struct Float16 {
  std::uint16_t bits = 0;
};

/// Exact.
inline float to_float(Float16 value) { return from_f16(value.bits); }

template <>
constexpr DType dtype_of<Float16>() {
  return DType::f16;
}

}  // namespace temper
