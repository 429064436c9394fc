// The value of a parameter out of the tensor that holds it in a file: viewed where it lies there as the model reads it,
// converted elsewhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/huggingface/weight_files.h"
#include "model/parameter.h"
#include "model/weight_names.h"
#include "tensor/device.h"
#include "tensor/float16.h"

namespace temper {

/// Room that the ranks of a node share, for values that do not lie in files as they are read: each is converted once
/// for all of them.
class SharedWeightRoom {
 public:
  SharedWeightRoom() = default;
  SharedWeightRoom(const SharedWeightRoom&) = delete;
  SharedWeightRoom& operator=(const SharedWeightRoom&) = delete;
  virtual ~SharedWeightRoom() = default;

  struct Want {
    Shape shape;
    DType type = DType::f32;
  };
  /// Collective, and called once. A tensor for each of `wanted`, whose bytes one rank of the node has written by
  /// fill(i, bytes), or, where the nodes have no room for them, each rank for itself; what a tensor takes is given back
  /// when no rank has it any more. The room must outlive them. Throws Error on all ranks where one cannot fill.
  virtual std::vector<Tensor> make(std::span<const Want> wanted,
                                   const std::function<void(std::size_t i, std::span<std::byte> bytes)>& fill) = 0;
  /// One sentence where each rank has them for itself; else empty.
  [[nodiscard]] virtual std::string note() const = 0;
};

/// bf16 or f16 for tensors of these types, f32 for all others.
DType narrow_type(const TensorView& stored);

/// How a parameter's value comes out of its tensor.
class WeightValue {
 public:
  /// `on_host`: products read it in f16 and quantised, too.
  WeightValue(const Parameter& parameter, const TensorView& stored, StoredForm form, bool on_host);

  /// bf16, f16 or quantised where the tensor is and the parameter may be (Parameter::is_read_narrow), else f32.
  [[nodiscard]] DType type() const { return type_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  /// Throws Error where the tensor is no floating point, or of a count no whole number.
  void require_numbers() const;
  /// It lies in the file as the model reads it: view() is it.
  [[nodiscard]] bool lies_in_file() const;
  /// Read-only, and valid as long as the file is mapped.
  [[nodiscard]] Tensor view() const;
  /// Writes it, shape() of type().
  void convert(std::span<std::byte> to) const;
  /// convert() to memory of the device.
  [[nodiscard]] Tensor upload(Device& device) const;

 private:
  /// The tensor's part that is this parameter's, where its rows lie together.
  [[nodiscard]] TensorView rows() const;
  template <typename T>
  void pick(std::span<T> to) const;
  template <typename T>
  void turn(std::span<T> to) const;
  template <typename T>
  void convert_to(std::span<T> to) const;

  const TensorView* stored_;
  StoredForm form_;
  Shape shape_;
  DType type_ = DType::f32;
};

/// Calls visit(here, there) for each element of a parameter: where it lies in the parameter, and where in the tensor
/// that holds it.
template <typename Visit>
void for_each_element(const Shape& parameter, const StoredForm& form, const Visit& visit) {
  const std::int64_t rows = parameter[0];
  const std::int64_t columns = rows > 0 ? parameter.elements() / rows : 0;
  const std::int64_t all_rows = form.rows > 0 ? form.rows : rows;
  // Of a kernel, channels lie side by side here, and taps there.
  const std::int64_t taps = form.transposed ? 1 : std::max<std::int64_t>(form.kernel.taps(), 1);
  const std::int64_t channels = columns / taps;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t there = form.transposed
                                     ? column * all_rows + form.row_of(row)
                                     : form.row_of(row) * columns + column % channels * taps + column / channels;
      visit(static_cast<std::size_t>(row * columns + column), static_cast<std::size_t>(there));
    }
  }
}

}  // namespace temper
