#include "model/weight_values.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

/// Elements of a tensor in the type that they are wanted in.
void read_elements(const TensorView& tensor, std::span<float> to) { to_f32(tensor, to); }
template <typename Narrow>
void read_elements(const TensorView& tensor, std::span<Narrow> to) {
  if (!to.empty()) std::memcpy(to.data(), tensor.bytes.data(), to.size_bytes());
}

/// The elements [first, first + count) of a tensor whose elements have a size.
TensorView elements_of(const TensorView& tensor, std::int64_t first, std::int64_t count) {
  TensorView part = tensor;
  const std::size_t element = size_in_bytes(tensor.type);
  part.shape = {count};
  part.bytes =
      tensor.bytes.subspan(static_cast<std::size_t>(first) * element, static_cast<std::size_t>(count) * element);
  return part;
}

}  // namespace

DType narrow_type(const TensorView& stored) {
  if (stored.type == StoredType::bf16) return DType::bf16;
  return stored.type == StoredType::f16 ? DType::f16 : DType::f32;
}

namespace {

bool is_paired(const TensorView& stored) {
  return stored.type == StoredType::gguf &&
         (stored.gguf.change == GgufChange::paired_queries || stored.gguf.change == GgufChange::paired_keys);
}

/// The type of blocks that lie in the file so that products can read them there, else f32.
DType quantized_type(const TensorView& stored, const StoredForm& form, const Shape& shape) {
  if (stored.type != StoredType::gguf || form.block != 0 || form.kernel.taps() > 0 || shape.dimensions() != 2)
    return DType::f32;
  const GgufChange change = stored.gguf.change;
  // llama.cpp has all matrices as [out, in], whichever way a Hugging Face folder has them.
  const bool in_order = change == (form.transposed ? GgufChange::transposed : GgufChange::none) ||
                        (is_paired(stored) && !form.transposed && form.rows == 0);
  const GgmlTypeLayout& layout = layout_of(stored.gguf.type);
  return in_order && shape[1] % static_cast<std::int64_t>(layout.block_elements) == 0 ? layout.quantized : DType::f32;
}

}  // namespace

WeightValue::WeightValue(const Parameter& parameter, const TensorView& stored, StoredForm form, bool on_host)
    : stored_(&stored), form_(std::move(form)), shape_(parameter.shape) {
  if (!parameter.is_read_narrow) return;
  type_ = stored.type == StoredType::gguf ? quantized_type(stored, form_, shape_) : narrow_type(stored);
  if (type_ != DType::bf16 && !on_host) type_ = DType::f32;
}

TensorView WeightValue::rows() const {
  if (form_.rows == 0 || (stored_->type == StoredType::gguf && !is_quantized(type_))) return *stored_;
  TensorView part = *stored_;
  const std::size_t row_bytes = stored_->bytes.size() / static_cast<std::size_t>(form_.rows);
  part.shape.front() = shape_[0];
  part.bytes = stored_->bytes.subspan(static_cast<std::size_t>(form_.first_row) * row_bytes,
                                      static_cast<std::size_t>(shape_[0]) * row_bytes);
  return part;
}

void WeightValue::require_numbers() const {
  if (stored_->type == StoredType::gguf) return;
  if (form_.is_count) {
    if (stored_->type != StoredType::i64)
      throw Error("{}: tensor '{}' is of type {}, expected a count of type I64; the file does not hold such a model",
                  stored_->file, stored_->name, type_name(*stored_));
    return;
  }
  TensorView nothing = *stored_;
  nothing.shape = {0};
  nothing.bytes = {};
  to_f32(nothing, {});
}

bool WeightValue::lies_in_file() const {
  if (is_quantized(type_)) return true;
  if (!form_.is_together()) return false;
  if (type_ == DType::f32) return is_mappable_f32(rows());
  // Of a narrow type where the tensor is.
  return reinterpret_cast<std::uintptr_t>(rows().bytes.data()) % size_of(type_) == 0;
}

Tensor WeightValue::view() const {
  // The tape never writes to a parameter that is not in an arena, so the mapping may stay read-only.
  const std::int64_t paired = is_paired(*stored_) ? shape_[0] / stored_->gguf.heads : 0;
  return Tensor::view(const_cast<std::byte*>(rows().bytes.data()), shape_, type_, paired);
}

/// Of a tensor with other rows between, or that is decoded as a whole.
template <typename T>
void WeightValue::pick(std::span<T> to) const {
  std::vector<T> all(static_cast<std::size_t>(element_count(stored_->shape).value_or(0)));
  read_elements(*stored_, std::span<T>(all));
  for_each_element(shape_, form_, [&](std::size_t here, std::size_t there) { to[here] = all[there]; });
}

/// Of a tensor that is stored transposed: of each of its rows the columns of this parameter, a band of rows at a time,
/// so that nothing is converted that other parameters hold, nor the whole held twice.
template <typename T>
void WeightValue::turn(std::span<T> to) const {
  constexpr std::int64_t kBandRows = 16;
  const std::int64_t outs = shape_[0];
  const std::int64_t ins = shape_[1];
  const std::int64_t all_outs = form_.rows > 0 ? form_.rows : outs;
  std::vector<T> band(static_cast<std::size_t>(kBandRows * outs));
  for (std::int64_t first = 0; first < ins; first += kBandRows) {
    const std::int64_t rows = std::min(kBandRows, ins - first);
    for (std::int64_t row = 0; row < rows; ++row)
      read_elements(elements_of(*stored_, (first + row) * all_outs + form_.first_row, outs),
                    std::span(band).subspan(static_cast<std::size_t>(row * outs), static_cast<std::size_t>(outs)));
    for (std::int64_t out = 0; out < outs; ++out)
      for (std::int64_t row = 0; row < rows; ++row)
        to[static_cast<std::size_t>(out * ins + first + row)] = band[static_cast<std::size_t>(row * outs + out)];
  }
}

template <typename T>
void WeightValue::convert_to(std::span<T> to) const {
  // What is decoded may have its rows in another order there.
  const bool is_decoded_part = stored_->type == StoredType::gguf && (form_.rows != 0 || form_.transposed);
  if (form_.is_count) {
    std::int64_t count = 0;
    std::memcpy(&count, stored_->bytes.data(), sizeof count);
    if constexpr (std::is_same_v<T, float>) to.front() = static_cast<float>(count);
    return;
  }
  if (is_decoded_part || form_.block != 0 || (form_.kernel.taps() > 1 && !form_.transposed)) return pick(to);
  if (form_.transposed) return turn(to);
  read_elements(rows(), to);
}

void WeightValue::convert(std::span<std::byte> to) const {
  const auto count = static_cast<std::size_t>(shape_.elements());
  if (type_ == DType::bf16) return convert_to(std::span(reinterpret_cast<BFloat16*>(to.data()), count));
  if (type_ == DType::f16) return convert_to(std::span(reinterpret_cast<Float16*>(to.data()), count));
  convert_to(std::span(reinterpret_cast<float*>(to.data()), count));
}

Tensor WeightValue::upload(Device& device) const {
  const Tensor value = Tensor::empty(device.memory(), shape_, type_);
  const auto bytes = static_cast<std::size_t>(value.size_bytes());
  if (bytes == 0) return value;
  if (device.shares_host_memory()) {
    convert({static_cast<std::byte*>(value.bytes()), bytes});
  } else if (lies_in_file()) {
    device.upload(rows().bytes.data(), value.bytes(), bytes);
  } else {
    std::vector<float> converted((bytes + sizeof(float) - 1) / sizeof(float));
    convert(std::as_writable_bytes(std::span(converted)).first(bytes));
    device.upload(converted.data(), value.bytes(), bytes);
  }
  return value;
}

}  // namespace temper
