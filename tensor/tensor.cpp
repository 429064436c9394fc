#include "tensor/tensor.h"

#include <cstddef>

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
  return of_block(memory, memory.allocate(static_cast<std::size_t>(shape.elements()) * size_of(type)), shape, type);
}

Tensor Tensor::of_block(Memory& memory, void* block, const Shape& shape, DType type) {
  const std::size_t bytes = static_cast<std::size_t>(shape.elements()) * size_of(type);
  Tensor tensor = view(block, shape, type);
  tensor.owner_ = std::shared_ptr<void>(block, [&memory, bytes](void* p) { memory.release(p, bytes); });
  return tensor;
}

Tensor Tensor::view(void* data, const Shape& shape, DType type) {
  Tensor tensor;
  tensor.data_ = data;
  tensor.shape_ = shape;
  tensor.type_ = type;
  return tensor;
}

Tensor Tensor::part(std::int64_t begin, const Shape& shape, DType type) const {
  Tensor tensor = view(static_cast<std::byte*>(data_) + begin, shape, type);
  tensor.owner_ = owner_;
  return tensor;
}

void Tensor::require_type(DType wanted) const {
  if (wanted != type_) throw Error("a tensor of type {} was read as {}", name_of(type_), name_of(wanted));
}

std::int64_t Tensor::size_of_row() const {
  std::int64_t product = 1;
  for (std::size_t i = 1; i < shape_.dimensions(); ++i) product *= shape_[i];
  return product;
}

}  // namespace temper
