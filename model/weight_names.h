// The names and layouts of a model's parameters in files. One map for reading weights, for writing them and for
// reporting tensors that a model does not use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/parameter.h"

namespace temper {

/// How a parameter lies in a file.
struct StoredForm {
  std::string name = {};    ///< of the tensor that holds it
  bool transposed = false;  ///< the tensor is [in, out], the parameter [out, in]
  std::int64_t rows = 0;    ///< of a tensor that holds several parameters, one below the other; 0: it holds this alone
  std::int64_t first_row = 0;   ///< there (of the tensor as the model has it: not transposed)
  std::int64_t block = 0;       ///< so many rows lie together there; 0: all of them do
  std::int64_t block_step = 0;  ///< rows from the beginning of one such block to that of the next
  KernelExtent kernel = {};     ///< of a convolution, whose tensor has four extents; a depthwise one is transposed, too
  bool is_count = false;        ///< a whole number without extents

  /// The parameter's values are the tensor's.
  [[nodiscard]] bool is_plain() const { return rows == 0 && is_together(); }
  /// The parameter's values lie side by side in the tensor.
  [[nodiscard]] bool is_together() const { return !transposed && block == 0 && kernel.taps() <= 1 && !is_count; }
  /// Of the tensor, where a row of the parameter lies.
  [[nodiscard]] std::int64_t row_of(std::int64_t row) const {
    return first_row + (block == 0 ? row : row / block * block_step + row % block);
  }
  /// Of the tensor that holds a parameter of this shape.
  [[nodiscard]] Shape shape_of_tensor(const Shape& parameter) const;
};

/// Parameters whose names end in `parameter` are stored under names that end in `stored` instead.
struct WeightRule {
  std::string parameter;
  std::string stored;
  bool transposed = false;
  std::int64_t rows = 0;
  std::int64_t first_row = 0;
  std::int64_t block = 0;
  std::int64_t block_step = 0;
  bool of_pixels = false;  ///< a matrix that is stored as the weight of a convolution of one pixel
};

struct WeightNames {
  /// Parameters' names begin with this; files that were saved from the bare network leave it out: "bert.".
  std::string prefix = {};
  /// How files have parameters: the first rule that fits, else under their own names. What is written has these forms.
  std::vector<WeightRule> rules = {};
  /// Other names of tensors that are read where those are missing, or of another shape; of a rule only the two names
  /// count.
  std::vector<WeightRule> alternatives = {};
  /// Ends of names of tensors that files may have and no model reads: counters, copies of tied weights.
  std::vector<std::string> unread = {};

  /// The usual form first.
  [[nodiscard]] std::vector<StoredForm> forms_of(const Parameter& parameter) const;
  [[nodiscard]] bool is_unread(std::string_view tensor) const;
};

}  // namespace temper
