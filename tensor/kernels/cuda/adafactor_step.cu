// Adafactor's passes over a slice, with the arithmetic of the CPU (tensor/kernels/cpu/adafactor_step.cpp). A block sums
// a piece, so sums depend on where a piece lies in its matrix and on nothing else.
#include <cstdint>

#include "tensor/kernels/cuda/block_sum.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

__device__ double square(float value) { return static_cast<double>(value) * static_cast<double>(value); }

/// A thread sums whole columns of the piece, then a warp sums whole rows.
__global__ void __launch_bounds__(kThreads)
    factored_squares(const float* gradients, SlicePieces pieces, std::int64_t offset, std::int64_t columns,
                     FactoredSums layout, double* sums) {
  const auto piece = static_cast<std::int64_t>(blockIdx.x);
  const std::int64_t begin = offset + pieces.begin(piece);  // in the matrix
  const std::int64_t end = offset + pieces.end(piece);
  double* of_rows = sums + piece * layout.size();
  double* of_columns = of_rows + layout.rows;
  const bool by_column = layout.columns == columns;
  for (std::int64_t i = threadIdx.x; i < layout.columns; i += kThreads) {
    double sum = 0.0;
    std::int64_t place = begin + i;
    if (by_column) {
      const std::int64_t column = begin % columns;
      place = begin + (i < column ? i + columns : i) - column;
    }
    for (; place < end; place += by_column ? columns : layout.columns) sum += square(gradients[place - offset]);
    of_columns[i] = sum;
  }
  const std::int64_t first_row = begin / columns;
  for (std::int64_t i = threadIdx.x / kWarp; i < layout.rows; i += kThreads / kWarp) {
    const std::int64_t from = (first_row + i) * columns;
    const std::int64_t until = from + columns < end ? from + columns : end;
    double sum = 0.0;
    for (std::int64_t place = (from < begin ? begin : from) + threadIdx.x % kWarp; place < until; place += kWarp)
      sum += square(gradients[place - offset]);
    sum = over_warp(Sum{}, sum);
    if (threadIdx.x % kWarp == 0) of_rows[i] = sum;
  }
}

/// The update of element i, before it is scaled; of a vector with these squares.
__device__ float direction(const AdafactorSlice& slice, std::int64_t i, float gradient_scale, float squares) {
  const float g = __fmul_rn(slice.gradients[i], gradient_scale);
  if (slice.squares != nullptr) return g / sqrtf(squares);
  const std::int64_t place = slice.begin + i;
  return __fmul_rn(__fmul_rn(g, slice.row_factors[place / slice.columns]), slice.column_factors[place % slice.columns]);
}

__global__ void __launch_bounds__(kThreads)
    adafactor_squares(AdafactorSlice slice, SlicePieces pieces, AdafactorStep by, double* sums) {
  const auto piece = static_cast<std::int64_t>(blockIdx.x);
  double updates = 0.0;
  double parameters = 0.0;
  for (std::int64_t i = pieces.begin(piece) + threadIdx.x; i < pieces.end(piece); i += kThreads) {
    float squares = 0.0F;
    if (slice.squares != nullptr) {
      const float g = __fmul_rn(slice.gradients[i], by.gradient_scale);
      squares = fmaf(__fsub_rn(1.0F, by.beta2), fmaf(g, g, by.epsilon), __fmul_rn(by.beta2, slice.squares[i]));
      slice.squares[i] = squares;
    }
    updates += square(direction(slice, i, by.gradient_scale, squares));
    parameters += square(slice.parameters[i]);
  }
  updates = over_block<kThreads>(Sum{}, updates);
  parameters = over_block<kThreads>(Sum{}, parameters);
  if (threadIdx.x == 0) {
    sums[2 * piece] = updates;
    sums[2 * piece + 1] = parameters;
  }
}

__global__ void __launch_bounds__(kThreads)
    adafactor(AdafactorSlice slice, BFloat16* compute_copy, std::int64_t n, AdafactorStep by) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n) return;
  const float u = direction(slice, i, by.gradient_scale, slice.squares != nullptr ? slice.squares[i] : 0.0F);
  const float updated = fmaf(-by.step_size, u, __fmul_rn(slice.parameters[i], by.decay));
  slice.parameters[i] = updated;
  if (compute_copy != nullptr) write(updated, compute_copy + i);
}

}  // namespace

void CudaKernels::run(const calls::FactoredSquareSums& call) {
  launch(factored_squares, dim3(static_cast<unsigned>(call.pieces.count())), kThreads, 0, stream_, call.gradients,
         call.pieces, call.begin, call.columns, FactoredSums(call.pieces.piece, call.columns), call.sums);
}

void CudaKernels::run(const calls::AdafactorSquareSums& call) {
  launch(adafactor_squares, dim3(static_cast<unsigned>(call.pieces.count())), kThreads, 0, stream_, call.slice,
         call.pieces, call.step, call.sums);
}

void CudaKernels::run(const calls::Adafactor& call) {
  launch(adafactor, dim3(parts(call.n, kThreads)), kThreads, 0, stream_, call.slice, call.compute_copy, call.n,
         call.step);
}

}  // namespace temper
