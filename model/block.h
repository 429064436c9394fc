// A block of the stack between the input layer and the head.
#pragma once

#include <cstdint>

#include "model/packed_input.h"
#include "tensor/tape.h"

namespace temper {

/// A block keeps no state of a pass, so it may occur in a stack several times (shared layers), and may be re-run in the
/// backward pass. Several blocks may share modules, never activations: each computes what it needs.
class Block {
 public:
  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  virtual ~Block() = default;

  /// hidden [tokens, width] -> [n, width], the selected tokens in order; all of them where none are selected. What the
  /// others would need for themselves alone is left out. Dropout uses the places from `dropout_place` on, which differ
  /// from one standing of the block to the next.
  virtual Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                           const TokenSelection& selection, std::uint32_t dropout_place) const = 0;
  [[nodiscard]] virtual std::uint32_t dropout_places() const = 0;
};

}  // namespace temper
