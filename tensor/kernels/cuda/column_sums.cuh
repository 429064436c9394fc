// Sums over the rows of a matrix, as gradients of biases and layer-norm weights need them, in two stages: each block
// adds up a range of rows in f32, then the ranges are added in double. Both orders depend on the shape alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/scratch.h"

namespace temper {

/// How rows are cut into ranges. Enough of them to fill a GPU, few enough that the second stage is quick.
struct RowRanges {
  static constexpr std::int64_t kFewestRows = 16;
  static constexpr std::int64_t kMostRanges = 256;
  std::int64_t rows_each = kFewestRows;
  unsigned count = 0;

  explicit RowRanges(std::int64_t rows)
      : rows_each(std::max<std::int64_t>(kFewestRows, parts(rows, kMostRanges))), count(parts(rows, rows_each)) {}
};

/// Stage one for any matrix whose elements can be worked out where they are summed. term(row, column, count, values)
/// gives `count` elements of a row from `column` on, and zeros up to kWidth. partial [ranges, columns]; null: the
/// elements are worked out (a term may store them), but not summed.
template <int kWidth, typename Term>
__global__ void __launch_bounds__(kThreads)
    sum_row_ranges(Term term, std::int64_t rows, std::int64_t columns, std::int64_t rows_each, float* partial) {
  constexpr int kLanes = kWidth == kPack ? 16 : 32;
  constexpr int kRows = kThreads / kLanes;
  constexpr int kColumns = kLanes * kWidth;
  __shared__ float sums_of[kRows][kColumns];
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int first_row = static_cast<int>(threadIdx.x) / kLanes;
  const std::int64_t first_column = static_cast<std::int64_t>(blockIdx.x) * kColumns;
  const std::int64_t column = first_column + lane * kWidth;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * rows_each;
  const std::int64_t end = begin + rows_each < rows ? begin + rows_each : rows;

  float sums[kWidth] = {};
  if (column < columns) {
    const int count = columns - column < kWidth ? static_cast<int>(columns - column) : kWidth;
    for (std::int64_t row = begin + first_row; row < end; row += kRows) {
      float values[kWidth];
      term(row, column, count, values);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sums[i] += values[i];
    }
  }
  if (partial == nullptr) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sums_of[first_row][lane * kWidth + i] = sums[i];
  __syncthreads();
  const auto own = static_cast<int>(threadIdx.x);
  if (own < kColumns && first_column + own < columns) {
    float total = 0.0F;
#pragma unroll
    for (int i = 0; i < kRows; ++i) total += sums_of[i][own];
    partial[blockIdx.y * columns + first_column + own] = total;
  }
}

/// Stage two: out [columns] (+)= the sum over ranges.
template <bool kAccumulate>
__global__ void __launch_bounds__(kThreads)
    add_row_ranges(const float* partial, unsigned ranges, std::int64_t columns, float* out) {
  constexpr int kLanes = 16;
  constexpr int kRows = kThreads / kLanes;
  __shared__ double sums_of[kRows][kLanes];
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const unsigned first_range = threadIdx.x / kLanes;
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kLanes + lane;
  double sum = 0.0;
  if (column < columns) {
    for (unsigned range = first_range; range < ranges; range += kRows) {
      sum += static_cast<double>(partial[range * columns + column]);
    }
  }
  sums_of[first_range][lane] = sum;
  __syncthreads();
  if (first_range == 0 && column < columns) {
    double total = 0.0;
#pragma unroll
    for (int i = 0; i < kRows; ++i) total += sums_of[i][lane];
    out[column] = (kAccumulate ? out[column] : 0.0F) + static_cast<float>(total);
  }
}

/// The sums of one matrix [rows, columns], and where they go.
class ColumnSums {
 public:
  /// `out` [columns] may be null: then nothing is summed.
  ColumnSums(cudaStream_t stream, Memory& memory, std::int64_t rows, std::int64_t columns, float* out, bool accumulate)
      : stream_(stream),
        ranges_(rows),
        columns_(columns),
        out_(out),
        accumulate_(accumulate),
        partial_(memory, out == nullptr ? 0 : ranges_.count * columns) {}

  /// [ranges, columns], for stage one.
  [[nodiscard]] float* partial() const { return out_ == nullptr ? nullptr : partial_.data(); }

  /// Stage one by sum_row_ranges.
  template <int kWidth, typename Term>
  void add_up(const Term& term, std::int64_t rows) const {
    constexpr int kColumns = kWidth == kPack ? 16 * kPack : 32;
    launch(sum_row_ranges<kWidth, Term>, dim3(parts(columns_, kColumns), ranges_.count), kThreads, 0, stream_, term,
           rows, columns_, ranges_.rows_each, partial());
  }

  /// Stage two.
  void finish() const {
    if (out_ == nullptr) return;
    launch(accumulate_ ? add_row_ranges<true> : add_row_ranges<false>, dim3(parts(columns_, 16)), kThreads, 0, stream_,
           partial(), ranges_.count, columns_, out_);
  }

 private:
  cudaStream_t stream_;
  RowRanges ranges_;
  std::int64_t columns_;
  float* out_;
  bool accumulate_;
  DeviceScratch<float> partial_;
};

}  // namespace temper
