// A tensor: a typed, shaped, row-major view of memory that it shares with its copies. Its rows lie side by side, unless
// it is a view of some columns of another: then they lie a stride apart, and whoever needs one block of memory (data(),
// span(), bytes(), as_row()) is refused.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "tensor/dtype.h"
#include "tensor/memory.h"
#include "tensor/rows.h"

namespace temper {

/// Up to four dimensions, outermost first.
class Shape {
 public:
  static constexpr std::size_t kMaxDimensions = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dimensions);
  explicit Shape(std::span<const std::int64_t> dimensions);

  [[nodiscard]] std::size_t dimensions() const { return count_; }
  [[nodiscard]] std::int64_t operator[](std::size_t i) const { return extents_[i]; }
  [[nodiscard]] std::span<const std::int64_t> extents() const { return {extents_.data(), count_}; }
  /// Number of elements; 1 for a scalar.
  [[nodiscard]] std::int64_t elements() const;
  [[nodiscard]] std::string text() const;  ///< "[384, 1536]"

  friend bool operator==(const Shape& a, const Shape& b) = default;

 private:
  std::array<std::int64_t, kMaxDimensions> extents_{};
  std::size_t count_ = 0;
};

class Tensor {
 public:
  Tensor() = default;

  /// Unspecified content. The block goes back to `memory`, which must outlive the tensor, with the last copy.
  static Tensor empty(Memory& memory, const Shape& shape, DType type = DType::f32);
  /// Takes over a block that `memory` allocated for exactly these elements.
  static Tensor of_block(Memory& memory, void* block, const Shape& shape, DType type);
  /// A view of memory that somebody else keeps alive (an arena, a mapped file). `paired`: BlockPlace.
  static Tensor view(void* data, const Shape& shape, DType type = DType::f32, std::int64_t paired = 0);

  [[nodiscard]] bool defined() const { return data_ != nullptr; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] DType type() const { return type_; }
  [[nodiscard]] std::int64_t size() const { return shape_.elements(); }
  /// First extent, and the product of the others: how a tensor is seen as a matrix of rows.
  [[nodiscard]] std::int64_t rows() const { return shape_[0]; }
  [[nodiscard]] std::int64_t columns() const { return shape_.dimensions() < 2 ? 1 : size_of_row(); }

  /// False for a view of what somebody else keeps alive.
  [[nodiscard]] bool owns_memory() const { return owner_ != nullptr; }
  /// Elements from the beginning of a row to that of the next.
  [[nodiscard]] std::int64_t row_stride() const { return row_stride_ == 0 ? columns() : row_stride_; }
  /// The elements are one block of memory, in their order.
  [[nodiscard]] bool is_contiguous() const { return row_stride_ == 0 && place_ == BlockPlace(); }

  /// The memory, whatever the type. Throws Error unless it is contiguous.
  [[nodiscard]] void* bytes() const {
    require_contiguous();
    return data_;
  }
  [[nodiscard]] std::int64_t size_bytes() const { return static_cast<std::int64_t>(size_of(type_, size())); }
  /// The tensor as kernels see it: [rows(), columns()]. An undefined one has no data.
  [[nodiscard]] Rows as_rows() const {
    if (!defined()) return {};
    Rows all(data_, rows(), columns(), row_stride(), type_);
    all.place = place_;
    return all;
  }
  /// All elements as one row. Throws Error unless they are contiguous.
  [[nodiscard]] Rows as_row() const { return {bytes(), 1, size(), size(), type_}; }
  /// Part of the memory, from byte `begin` on, as a tensor of its own that keeps the whole alive. Throws Error unless
  /// it is contiguous.
  [[nodiscard]] Tensor part(std::int64_t begin, const Shape& shape, DType type) const;
  /// Of all rows, columns [first, first + count): [rows(), count], a view that keeps the whole alive. Throws Error
  /// beyond the end.
  [[nodiscard]] Tensor column_range(std::int64_t first, std::int64_t count) const;
  /// Rows [first, first + count), likewise, with the other extents of this one.
  [[nodiscard]] Tensor row_range(std::int64_t first, std::int64_t count) const;

  /// The elements; throws Error if T is not the tensor's type, or they are not contiguous.
  template <typename T>
  [[nodiscard]] T* data() const {
    require_type(dtype_of<T>());
    return static_cast<T*>(bytes());
  }
  template <typename T>
  [[nodiscard]] std::span<T> span() const {
    return {data<T>(), static_cast<std::size_t>(size())};
  }

 private:
  void require_type(DType wanted) const;
  void require_contiguous() const {
    if (!is_contiguous()) refuse_gaps();
  }
  [[noreturn]] void refuse_gaps() const;
  [[nodiscard]] Tensor view_from(std::int64_t row, std::int64_t column, const Shape& shape,
                                 std::int64_t row_stride) const;
  [[nodiscard]] std::int64_t size_of_row() const;

  std::shared_ptr<void> owner_;
  void* data_ = nullptr;
  Shape shape_;
  std::int64_t row_stride_ = 0;  ///< 0: rows lie side by side
  BlockPlace place_;
  DType type_ = DType::f32;
};

}  // namespace temper
