// Sums and largest values over the threads of a warp or a block, in an order that depends on nothing but the number of
// threads. All threads of the block take part, and all receive the result.
#pragma once

#include <cuda_runtime.h>

namespace temper {

inline constexpr unsigned kWholeWarp = 0xFFFFFFFFU;
inline constexpr int kWarp = 32;

struct Sum {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Largest {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

template <typename Operation, typename T>
__device__ inline T over_warp(Operation operation, T value) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value = operation(value, __shfl_xor_sync(kWholeWarp, value, distance));
  }
  return value;
}

/// Over a block of kCount threads, a multiple of a warp.
template <int kCount, typename Operation, typename T>
__device__ inline T over_block(Operation operation, T value) {
  value = over_warp(operation, value);
  if constexpr (kCount > kWarp) {
    __shared__ T of_warps[kCount / kWarp];
    if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = of_warps[0];
#pragma unroll
    for (int warp = 1; warp < kCount / kWarp; ++warp) value = operation(value, of_warps[warp]);
    __syncthreads();  // or the next call would write what others still read
  }
  return value;
}

}  // namespace temper
