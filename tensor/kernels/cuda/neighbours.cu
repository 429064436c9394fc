// The tokens around each, beside each other: a thread for each element, which looks up where its sequence ends.
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

/// What a kernel needs of PackedSequences.
struct Sequences {
  const std::int32_t* starts;
  const std::int32_t* lengths;  ///< null: without gaps
  std::int64_t count;
};

struct Ends {
  std::int64_t first;
  std::int64_t end;  ///< not behind `first` where the row is no sequence's
};

/// Of the sequence that has this row.
__device__ Ends ends_around(const Sequences& sequences, std::int64_t row) {
  std::int64_t low = 0;
  std::int64_t high = sequences.count - 1;
  while (low < high) {
    const std::int64_t middle = (low + high + 1) / 2;
    if (sequences.starts[middle] <= row) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const std::int64_t first = sequences.starts[low];
  return {first, sequences.lengths == nullptr ? sequences.starts[low + 1] : first + sequences.lengths[low]};
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    gather_neighbours_kernel(MatrixOf<const T> x, const Sequences sequences, int span, MatrixOf<T> y) {
  const std::int64_t place = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (place >= y.rows * y.columns) return;
  const std::int64_t row = place / y.columns;
  const std::int64_t column = place % y.columns;
  const Ends ends = ends_around(sequences, row);
  if (row >= ends.end) return;
  const std::int64_t from = row + column % span - span / 2;
  const bool exists = from >= ends.first && from < ends.end;
  y.data[row * y.stride + column] = exists ? x.data[from * x.stride + column / span] : T();
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_neighbours_kernel(MatrixOf<const T> dy, const Sequences sequences, int span, MatrixOf<T> dx) {
  const std::int64_t place = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (place >= dx.rows * dx.columns) return;
  const std::int64_t row = place / dx.columns;
  const std::int64_t column = place % dx.columns;
  const Ends ends = ends_around(sequences, row);
  if (row >= ends.end) return;
  float sum = 0.0F;
  for (int o = 0; o < span; ++o) {
    const std::int64_t from = row - o + span / 2;
    if (from >= ends.first && from < ends.end) sum += read(dy.data + from * dy.stride + column * span + o);
  }
  write(sum, dx.data + row * dx.stride + column);
}

void require_span(const ConstRows& narrow, const ConstRows& wide, std::int64_t span) {
  if (span < 1 || span % 2 == 0 || wide.columns != narrow.columns * span)
    refuse("neighbours on a GPU take an odd number of them, each with all columns");
  if (narrow.type != wide.type) refuse("neighbours on a GPU take matrices of one type");
}

unsigned blocks_of(const ConstRows& rows) {
  return static_cast<unsigned>((rows.rows * rows.columns + kThreads - 1) / kThreads);
}

Sequences sequences_of(const PackedSequences& sequences) {
  return {sequences.starts, sequences.lengths, sequences.sequences};
}

}  // namespace

void CudaKernels::run(const calls::GatherNeighbours& call) {
  require_span(call.x, call.y, call.span);
  const auto run = [&]<typename T>(T /*element*/) {
    launch(gather_neighbours_kernel<T>, dim3(blocks_of(call.y)), kThreads, 0, stream_, call.x.as<T>(),
           sequences_of(call.sequences), static_cast<int>(call.span), call.y.as<T>());
  };
  call.x.type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

void CudaKernels::run(const calls::AddNeighbours& call) {
  require_span(call.dx, call.dy, call.span);
  const auto run = [&]<typename T>(T /*element*/) {
    launch(add_neighbours_kernel<T>, dim3(blocks_of(call.dx)), kThreads, 0, stream_, call.dy.as<T>(),
           sequences_of(call.sequences), static_cast<int>(call.span), call.dx.as<T>());
  };
  call.dy.type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

}  // namespace temper
