// What a convolution over a sequence needs beside a product: the tokens around each.
#pragma once

#include <cstdint>

#include "tensor/calls/attention.h"
#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper::calls {

/// y[t][c * span + o] = x[t + o - span / 2][c] where there is such a token in t's sequence, else 0 (Chellapilla, Puri,
/// Simard: "High performance convolutional neural networks for document processing", 2006). x [tokens, columns], y
/// [tokens, columns * span]; span is odd. Rows of room behind sequences are left alone.
struct GatherNeighbours {
  static constexpr KernelId kKernel{"gather_neighbours", KernelClass::pass};
  ConstRows x;
  PackedSequences sequences;
  std::int64_t span;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// The way back: dx[t][c] = the sum of dy[t - o + span / 2][c * span + o] over those tokens, in the order of o.
struct AddNeighbours {
  static constexpr KernelId kKernel{"add_neighbours", KernelClass::pass};
  ConstRows dy;
  PackedSequences sequences;
  std::int64_t span;
  Rows dx;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_NEIGHBOURS_CALLS(EACH) EACH(GatherNeighbours) EACH(AddNeighbours)
