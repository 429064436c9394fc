// How kernels see matrices: typed where the element type is fixed, untyped where it is known only at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tensor/dtype.h"

namespace temper {

/// A row-major matrix [rows, columns] whose rows lie `stride` elements apart.
template <typename T>
struct MatrixOf {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;

  [[nodiscard]] T* row(std::int64_t i) const { return data + i * stride; }
  template <typename Other>
  requires(std::is_same_v<Other, const T> && !std::is_const_v<T>)
  // NOLINTNEXTLINE(google-explicit-constructor): a matrix that may be written may be read
  operator MatrixOf<Other>() const {
    return {data, rows, columns, stride};
  }
};
using Matrix = MatrixOf<float>;
using ConstMatrix = MatrixOf<const float>;

/// The same of f32 or bf16 elements, told apart by `type`. `Void` is void, or const void for a matrix that is read.
template <typename Void>
struct RowsOf {
  Void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  DType type = DType::f32;

  RowsOf() = default;
  RowsOf(Void* d, std::int64_t r, std::int64_t c, std::int64_t s, DType t)
      : data(d), rows(r), columns(c), stride(s), type(t) {}
  template <typename T>
  requires(!std::is_const_v<T> || std::is_const_v<Void>)
      // NOLINTNEXTLINE(google-explicit-constructor): what is typed may be handed on untyped
      RowsOf(MatrixOf<T> matrix)
      : RowsOf(matrix.data, matrix.rows, matrix.columns, matrix.stride, dtype_of<std::remove_const_t<T>>()) {}
  template <typename Other>
  requires(std::is_same_v<Other, void>&& std::is_const_v<Void>)
      // NOLINTNEXTLINE(google-explicit-constructor): a matrix that may be written may be read
      RowsOf(const RowsOf<Other>& other)
      : RowsOf(other.data, other.rows, other.columns, other.stride, other.type) {}

  /// Where an element lies.
  [[nodiscard]] Void* at(std::int64_t row, std::int64_t column) const {
    using Byte = std::conditional_t<std::is_const_v<Void>, const std::byte, std::byte>;
    return static_cast<Byte*>(data) + (row * stride + column) * static_cast<std::int64_t>(size_of(type));
  }
  /// Rows [first, first + count).
  [[nodiscard]] RowsOf part(std::int64_t first, std::int64_t count) const {
    return {at(first, 0), count, columns, stride, type};
  }
  /// The elements as T, which must be what `type` says.
  template <typename T>
  [[nodiscard]] auto as() const {
    using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
    return MatrixOf<Element>{static_cast<Element*>(data), rows, columns, stride};
  }
};
using Rows = RowsOf<void>;
using ConstRows = RowsOf<const void>;

}  // namespace temper
