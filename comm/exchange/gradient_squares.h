// Sums of squares of a step's reduced gradient, one per chunk of the arena: the pieces that its norm is made of. An
// exchange may take those of a chunk while the sums are in the cache; the others are taken when all are there. The bits
// are the same.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/exchange/sparse_rows.h"
#include "tensor/arena.h"
#include "tensor/device.h"

namespace temper {

class GradientSquares {
 public:
  /// `owned`: the ranges of this rank, in whole chunks.
  GradientSquares(Device& device, const ArenaLayout& layout, std::vector<ElementRange> owned);

  void begin_step();
  /// values [kChunk]: the sums of an own chunk, which is final. For exchanges whose sums lie in the host's memory.
  void take(std::int64_t chunk, const float* values);
  /// sums [chunks], on the device: fills in those of the own chunks. `reduced`: the arena of sums. `rows` may be null;
  /// else the gradient is zero in the rows of the table that are not live, and they are not read.
  void finish(const float* reduced, const SparseRows* rows, double* sums) const;

 private:
  static constexpr std::int64_t kChunk = ArenaLayout::kChunk;

  static ElementRange range_of(std::int64_t chunk) { return {chunk * kChunk, (chunk + 1) * kChunk}; }
  [[nodiscard]] bool is_plain(std::int64_t chunk, const SparseRows* rows) const;
  /// Of a chunk that has rows of the table.
  [[nodiscard]] double sum_of_live(const float* reduced, const SparseRows& rows, ElementRange chunk) const;

  Device& device_;
  std::vector<ElementRange> owned_;
  std::vector<double> sums_;
  std::vector<bool> taken_;
};

}  // namespace temper
