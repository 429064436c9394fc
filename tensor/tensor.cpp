#include "tensor/tensor.h"

#include <cstddef>
#include <vector>

#include "base/error.h"

namespace temper {

Shape::Shape(std::initializer_list<std::int64_t> dimensions)
    : Shape(std::span<const std::int64_t>(dimensions.begin(), dimensions.size())) {}

Shape::Shape(std::span<const std::int64_t> dimensions) : count_(dimensions.size()) {
  if (count_ > kMaxDimensions) throw Error("a tensor of {} dimensions was asked for; at most 4 are supported", count_);
  for (std::size_t i = 0; i < count_; ++i) extents_[i] = dimensions[i];
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : extents()) product *= extent;
  return product;
}

std::string Shape::text() const {
  std::string out = "[";
  for (std::size_t i = 0; i < count_; ++i) out += (i == 0 ? "" : ", ") + std::to_string(extents_[i]);
  return out + "]";
}

Tensor Tensor::empty(Memory& memory, const Shape& shape, DType type) {
  return of_block(memory, memory.allocate(size_of(type, shape.elements())), shape, type);
}

Tensor Tensor::of_block(Memory& memory, void* block, const Shape& shape, DType type) {
  const std::size_t bytes = size_of(type, shape.elements());
  Tensor tensor = view(block, shape, type);
  tensor.owner_ = std::shared_ptr<void>(block, [&memory, bytes](void* p) { memory.release(p, bytes); });
  return tensor;
}

Tensor Tensor::view(void* data, const Shape& shape, DType type, std::int64_t paired) {
  Tensor tensor;
  tensor.data_ = data;
  tensor.shape_ = shape;
  tensor.type_ = type;
  tensor.place_.paired = paired;
  return tensor;
}

Tensor Tensor::part(std::int64_t begin, const Shape& shape, DType type) const {
  Tensor tensor = view(static_cast<std::byte*>(bytes()) + begin, shape, type);
  tensor.owner_ = owner_;
  return tensor;
}

Tensor Tensor::column_range(std::int64_t first, std::int64_t count) const {
  if (first < 0 || count < 1 || first + count > columns())
    throw Error("columns {} to {} were asked for of a tensor of shape {}", first, first + count, shape_.text());
  return view_from(0, first, {rows(), count}, row_stride());
}

Tensor Tensor::row_range(std::int64_t first, std::int64_t count) const {
  if (first < 0 || count < 1 || first + count > rows())
    throw Error("rows {} to {} were asked for of a tensor of shape {}", first, first + count, shape_.text());
  std::vector<std::int64_t> extents(shape_.extents().begin(), shape_.extents().end());
  extents.front() = count;
  return view_from(first, 0, Shape(extents), row_stride());
}

Tensor Tensor::view_from(std::int64_t row, std::int64_t column, const Shape& shape, std::int64_t row_stride) const {
  const Rows window = as_rows().window(row, shape[0], column, 1);
  Tensor tensor = view(window.data, shape, type_);
  tensor.place_ = window.place;
  tensor.owner_ = owner_;
  if (row_stride != tensor.columns() && (tensor.rows() > 1 || is_quantized(type_))) tensor.row_stride_ = row_stride;
  return tensor;
}

void Tensor::require_type(DType wanted) const {
  if (wanted != type_) throw Error("a tensor of type {} was read as {}", name_of(type_), name_of(wanted));
}

void Tensor::refuse_gaps() const {
  throw Error(
      "a tensor of shape {} whose rows lie {} elements apart, or in another order, was read as one block of memory",
      shape_.text(), row_stride());
}

std::int64_t Tensor::size_of_row() const {
  std::int64_t product = 1;
  for (std::size_t i = 1; i < shape_.dimensions(); ++i) product *= shape_[i];
  return product;
}

}  // namespace temper
