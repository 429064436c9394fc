// What a batch reads instead of its tokens if the lower stages of the model are not recomputed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace temper {

/// The output of a model's lower stages for every example of a data set. The frozen cache is one.
class HiddenRows {
 public:
  HiddenRows() = default;
  HiddenRows(const HiddenRows&) = delete;
  HiddenRows& operator=(const HiddenRows&) = delete;
  virtual ~HiddenRows() = default;

  /// How many stages of the model, from below, they are the output of.
  [[nodiscard]] virtual std::int64_t stages() const = 0;
  /// Elements per row, and their type.
  [[nodiscard]] virtual std::int64_t width() const = 0;
  [[nodiscard]] virtual DType type() const = 0;
  /// How many hidden rows these examples have together.
  [[nodiscard]] virtual std::int64_t rows_of(std::span<const std::uint32_t> examples) const = 0;
  /// Copies their hidden rows, one example after the other, into `rows`: [rows_of(examples), width()] of type(). Throws
  /// Error where they cannot be read.
  virtual void read(std::span<const std::uint32_t> examples, std::span<std::byte> rows) const = 0;
};

}  // namespace temper
