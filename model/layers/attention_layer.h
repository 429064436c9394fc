// The interface of attention layers, whatever kind of attention they compute.
#pragma once

#include <cstdint>

#include "model/packed_input.h"
#include "tensor/tape.h"

namespace temper {

class AttentionLayer {
 public:
  AttentionLayer() = default;
  AttentionLayer(const AttentionLayer&) = delete;
  AttentionLayer& operator=(const AttentionLayer&) = delete;
  virtual ~AttentionLayer() = default;

  /// hidden [tokens, width]; `query_rows` [n, width], the rows of it that are selected (all of them where none are) ->
  /// [n, width]. Dropout uses the places from `dropout_place` on, the first of them on the probabilities.
  virtual Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const Variable& query_rows,
                           const TokenSelection& selection, std::uint32_t dropout_place) const = 0;
  [[nodiscard]] virtual std::uint32_t dropout_places() const { return 1; }
};

}  // namespace temper
