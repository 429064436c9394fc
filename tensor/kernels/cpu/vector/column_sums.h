// Sums over the rows of a matrix, as gradients of biases and layer-norm weights need them, in an order that depends on
// the shape alone: rows are cut into blocks, whichever thread has a block adds its rows up in f32, and the blocks are
// added in their order in double. So neither the bits nor, over many thousands of rows, the accuracy suffers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace temper {

class ColumnSums {
 public:
  /// For sums over `rows` rows of `columns` columns; with `wanted` false it holds nothing and gives null.
  ColumnSums(std::int64_t rows, std::int64_t columns, bool wanted)
      : columns_(columns), partial_(wanted ? static_cast<std::size_t>(blocks(rows) * columns) : 0) {}

  /// At least 64 rows per block and at most 64 blocks.
  static std::int64_t block_rows(std::int64_t rows) { return std::max<std::int64_t>(64, (rows + 63) / 64); }
  static std::int64_t blocks(std::int64_t rows) { return (rows + block_rows(rows) - 1) / block_rows(rows); }

  /// The block's sums [columns], zero at first; null where no sums are wanted.
  [[nodiscard]] float* block(std::int64_t index) {
    return partial_.empty() ? nullptr : partial_.data() + index * columns_;
  }

  /// out [columns] (+)= the sum of all blocks. Nothing happens where no sums are wanted.
  void write(float* out, bool accumulate) const {
    if (out == nullptr) {
      return;
    }
    std::vector<double> total(static_cast<std::size_t>(columns_));
    for (std::size_t first = 0; first < partial_.size(); first += total.size()) {
      for (std::size_t column = 0; column < total.size(); ++column) {
        total[column] += static_cast<double>(partial_[first + column]);
      }
    }
    for (std::size_t column = 0; column < total.size(); ++column) {
      const auto sum = static_cast<float>(total[column]);
      out[column] = accumulate ? out[column] + sum : sum;
    }
  }

 private:
  std::int64_t columns_;
  std::vector<float> partial_;  // [blocks, columns]
};

}  // namespace temper
