// The lowest stage of a model: it turns a packed batch into a hidden state.
#pragma once

#include <cstdint>
#include <optional>

#include "base/image_extent.h"
#include "model/packed_input.h"
#include "tensor/tape.h"

namespace temper {

/// A parameter, and the value that takes its place.
struct ResizedTable {
  Variable table;
  Tensor value;
};

class InputLayer {
 public:
  InputLayer() = default;
  InputLayer(const InputLayer&) = delete;
  InputLayer& operator=(const InputLayer&) = delete;
  virtual ~InputLayer() = default;

  /// [tokens, width]. Dropout uses the places from 0 on.
  virtual Variable forward(Tape& tape, const PackedInput& input) const = 0;
  [[nodiscard]] virtual std::uint32_t dropout_places() const = 0;
  /// The parameter [vocabulary, width] of which forward reads only the rows that are ids of tokens; undefined where
  /// there is none.
  [[nodiscard]] virtual Variable token_table() const { return {}; }
  /// Of a layer whose files are for images of one size: what they have for images of `extent`, where that is another
  /// size than its parameters are of. Computed with by the layer in place of those, it gives the same of such images.
  [[nodiscard]] virtual std::optional<ResizedTable> resized_table(Device& /*device*/, ImageExtent /*extent*/) const {
    return std::nullopt;
  }
};

}  // namespace temper
