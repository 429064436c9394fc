// What a block does with each token by itself, whatever kind of network computes it.
#pragma once

#include <cstdint>

#include "tensor/random.h"
#include "tensor/tape.h"

namespace temper {

class FeedForwardLayer {
 public:
  FeedForwardLayer() = default;
  FeedForwardLayer(const FeedForwardLayer&) = delete;
  FeedForwardLayer& operator=(const FeedForwardLayer&) = delete;
  virtual ~FeedForwardLayer() = default;

  /// x [rows, width] and the names of the rows -> [rows, width]. Dropout inside it uses the place `dropout_place`.
  virtual Variable forward(Tape& tape, const Variable& x, TokenKeys names, std::uint32_t dropout_place) const = 0;
};

}  // namespace temper
