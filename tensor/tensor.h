// A tensor: a typed, shaped, contiguous (row-major) view of memory that it shares with its copies.
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
  /// A view of memory that somebody else keeps alive (an arena, a mapped file).
  static Tensor view(void* data, const Shape& shape, DType type = DType::f32);

  [[nodiscard]] bool defined() const { return data_ != nullptr; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] DType type() const { return type_; }
  [[nodiscard]] std::int64_t size() const { return shape_.elements(); }
  /// First extent, and the product of the others: how a tensor is seen as a matrix of rows.
  [[nodiscard]] std::int64_t rows() const { return shape_[0]; }
  [[nodiscard]] std::int64_t columns() const { return shape_.dimensions() < 2 ? 1 : size_of_row(); }

  /// False for a view of what somebody else keeps alive.
  [[nodiscard]] bool owns_memory() const { return owner_ != nullptr; }
  /// The memory, whatever the type.
  [[nodiscard]] void* bytes() const { return data_; }
  [[nodiscard]] std::int64_t size_bytes() const { return size() * static_cast<std::int64_t>(size_of(type_)); }
  /// The tensor as kernels see it: [rows(), columns()] without gaps. An undefined one has no data.
  [[nodiscard]] Rows as_rows() const { return defined() ? Rows(data_, rows(), columns(), columns(), type_) : Rows(); }
  /// All elements as one row.
  [[nodiscard]] Rows as_row() const { return {data_, 1, size(), size(), type_}; }
  /// Part of the memory, from byte `begin` on, as a tensor of its own that keeps the whole alive.
  [[nodiscard]] Tensor part(std::int64_t begin, const Shape& shape, DType type) const;

  /// The elements; throws Error if T is not the tensor's type.
  template <typename T>
  [[nodiscard]] T* data() const {
    require_type(dtype_of<T>());
    return static_cast<T*>(data_);
  }
  template <typename T>
  [[nodiscard]] std::span<T> span() const {
    return {data<T>(), static_cast<std::size_t>(size())};
  }

 private:
  void require_type(DType wanted) const;
  [[nodiscard]] std::int64_t size_of_row() const;

  std::shared_ptr<void> owner_;
  void* data_ = nullptr;
  Shape shape_;
  DType type_ = DType::f32;
};

}  // namespace temper
