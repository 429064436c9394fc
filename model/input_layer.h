// The lowest stage of a model: it turns a packed batch into a hidden state.
#pragma once

#include <cstdint>

#include "model/packed_input.h"
#include "tensor/tape.h"

namespace temper {

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
};

}  // namespace temper
