// Sums of whole arrays with each other, and of their squares.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tensor/kernels/cuda/block_sum.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/scratch.h"

namespace temper {
namespace {

template <int kWidth>
__global__ void __launch_bounds__(kThreads) add_arrays(const float* a, const float* b, float* out, std::int64_t n) {
  const Place place = place_in<kWidth>(1, n);
  if (place.count == 0) return;
  float left[kWidth];
  float right[kWidth];
  load(a + place.column, place.count, left);
  load(b + place.column, place.count, right);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) left[i] += right[i];
  store(left, place.count, out + place.column);
}

/// A tree that travels with the launch, whose parameters may take 4 KiB.
template <std::size_t kMost>
struct CarriedTree {
  static constexpr std::size_t kMostInputs = kMost;
  const float* inputs[kMostInputs];
  TreeStep postfix[2 * kMostInputs];
  unsigned steps;

  CarriedTree(std::span<const float* const> from, std::span<const TreeStep> order)
      : inputs{}, postfix{}, steps(static_cast<unsigned>(order.size())) {
    std::copy(from.begin(), from.end(), inputs);
    std::copy(order.begin(), order.end(), postfix);
  }
};
using SmallTree = CarriedTree<16>;
using MiddleTree = CarriedTree<400>;
static_assert(sizeof(MiddleTree) + sizeof(float*) + sizeof(std::int64_t) <= 4096);

/// A tree in memory of the device.
struct LargeTree {
  const float* const* inputs;
  const TreeStep* postfix;
  unsigned steps;
};

/// Each thread works the whole tree out for one element. Of the open sums the last is in a register.
template <typename Tree>
__global__ void __launch_bounds__(kThreads) add_along_tree(Tree tree, float* out, std::int64_t n) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n) return;
  float open[calls::AddTree::kMostDepth];
  int depth = 0;
  float last = 0.0F;
  unsigned next = 0;
  for (unsigned step = 0; step < tree.steps; ++step) {
    if (tree.postfix[step] == TreeStep::input) {
      open[depth++] = last;
      last = tree.inputs[next++][i];
    } else {
      last = open[--depth] + last;
    }
  }
  out[i] = last;
}

/// One block per chunk.
template <int kWidth>
__global__ void __launch_bounds__(kThreads) square_sums(const float* x, std::int64_t chunk, double* sums) {
  const float* from = x + blockIdx.x * chunk;
  double sum = 0.0;
  for (std::int64_t i = static_cast<std::int64_t>(threadIdx.x) * kWidth; i < chunk; i += kThreads * kWidth) {
    float values[kWidth];
    load(from + i, chunk - i < kWidth ? static_cast<int>(chunk - i) : kWidth, values);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) sum = fma(static_cast<double>(values[j]), static_cast<double>(values[j]), sum);
  }
  sum = over_block<kThreads>(Sum{}, sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

}  // namespace

void CudaKernels::run(const calls::Add& call) {
  const bool in_packs = begins_pack(call.a) && begins_pack(call.b) && begins_pack(call.out);
  with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch(add_arrays<kWidth>, grid_over<kWidth>(1, call.n), kThreads, 0, stream_, call.a, call.b, call.out, call.n);
  });
}

void CudaKernels::run(const calls::AddTree& call) {
  if (call.inputs.size() <= SmallTree::kMostInputs) {
    launch(add_along_tree<SmallTree>, grid_over<1>(1, call.n), kThreads, 0, stream_,
           SmallTree(call.inputs, call.postfix), call.out, call.n);
    return;
  }
  if (call.inputs.size() <= MiddleTree::kMostInputs) {
    launch(add_along_tree<MiddleTree>, grid_over<1>(1, call.n), kThreads, 0, stream_,
           MiddleTree(call.inputs, call.postfix), call.out, call.n);
    return;
  }
  // These are read from memory that is not pinned before the calls return; the driver may wait for the stream to do so,
  // without a time limit. Trees of so many inputs belong to hundreds of ranks, who have NCCL's own order.
  const auto steps = static_cast<unsigned>(call.postfix.size());
  const DeviceScratch<const float*> device_inputs(memory_, static_cast<std::int64_t>(call.inputs.size()));
  const DeviceScratch<TreeStep> device_postfix(memory_, steps);
  check_cuda(cudaMemcpyAsync(device_inputs.data(), call.inputs.data(), call.inputs.size_bytes(), cudaMemcpyHostToDevice,
                             stream_),
             "cudaMemcpyAsync");
  check_cuda(cudaMemcpyAsync(device_postfix.data(), call.postfix.data(), call.postfix.size_bytes(),
                             cudaMemcpyHostToDevice, stream_),
             "cudaMemcpyAsync");
  launch(add_along_tree<LargeTree>, grid_over<1>(1, call.n), kThreads, 0, stream_,
         LargeTree{device_inputs.data(), device_postfix.data(), steps}, call.out, call.n);
}

void CudaKernels::run(const calls::ChunkSquareSums& call) {
  with_width(begins_pack(call.x) && call.chunk % kPack == 0, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch(square_sums<kWidth>, dim3(static_cast<unsigned>(call.chunks)), kThreads, 0, stream_, call.x, call.chunk,
           call.sums);
  });
}

}  // namespace temper
