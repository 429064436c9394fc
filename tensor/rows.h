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

/// Which part of a matrix of quantised weights another one is, where a pointer alone cannot say: it leads to a block.
struct BlockPlace {
  std::int64_t row = 0;  ///< of the first row, where rows are paired
  std::int64_t column = 0;
  /// Rows of a head of queries or keys as llama.cpp orders them: row i of the first half lies before row i of the
  /// second. 0: rows lie in their order.
  std::int64_t paired = 0;

  /// Which row of those in memory row i is.
  [[nodiscard]] std::int64_t row_in_memory(std::int64_t i) const {
    if (paired == 0) return i;
    const std::int64_t within = (row + i) % paired;
    const std::int64_t half = paired / 2;
    return row + i - within + 2 * (within % half) + within / half;
  }
  friend bool operator==(const BlockPlace&, const BlockPlace&) = default;
};

/// The same of elements of any type, told apart by `type`. `Void` is void, or const void for a matrix that is read.
template <typename Void>
struct RowsOf {
  Void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  DType type = DType::f32;
  BlockPlace place = {};  ///< of what is quantised

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
      : RowsOf(other.data, other.rows, other.columns, other.stride, other.type) {
    place = other.place;
  }

  /// Where an element lies, or the block that it is in.
  [[nodiscard]] Void* at(std::int64_t row, std::int64_t column) const {
    if (is_quantized(type))
      return byte(place.row_in_memory(row) * static_cast<std::int64_t>(size_of(type, stride)) +
                  static_cast<std::int64_t>(size_of(type, place.column + column)));
    return byte((row * stride + column) * static_cast<std::int64_t>(size_of(type)));
  }
  /// Rows [row, row + row_count), of which columns [column, column + column_count).
  [[nodiscard]] RowsOf window(std::int64_t row, std::int64_t row_count, std::int64_t column,
                              std::int64_t column_count) const {
    if (!is_quantized(type)) return {at(row, column), row_count, column_count, stride, type};
    RowsOf some(data, row_count, column_count, stride, type);
    some.place = {place.row, place.column + column, place.paired};
    if (place.paired != 0) {
      some.place.row += row;
    } else {
      some.data = byte(row * static_cast<std::int64_t>(size_of(type, stride)));
    }
    return some;
  }
  /// Rows [first, first + count).
  [[nodiscard]] RowsOf part(std::int64_t first, std::int64_t count) const { return window(first, count, 0, columns); }
  /// The elements as T, which must be what `type` says.
  template <typename T>
  [[nodiscard]] auto as() const {
    using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
    return MatrixOf<Element>{static_cast<Element*>(data), rows, columns, stride};
  }

 private:
  [[nodiscard]] Void* byte(std::int64_t offset) const {
    using Byte = std::conditional_t<std::is_const_v<Void>, const std::byte, std::byte>;
    return static_cast<Byte*>(data) + offset;
  }
};
using Rows = RowsOf<void>;
using ConstRows = RowsOf<const void>;

}  // namespace temper
