// The emulator's blocks: barriers, warp collectives, shared memory, and what it refuses.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "tensor/kernels/cuda/async_copy.cuh"
#include "tensor/kernels/cuda/dynamic_shared.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/warp_matrix.cuh"
#include "tests/simt/device_array.h"
#include "tests/world.h"

namespace simt {

bool may_fork() { return temper::world_communicator().size() == 1; }

namespace {

using temper::launch;

/// The same, and waits: for kernels that never come to their end.
template <typename... Parameters, typename... Arguments>
void run(void (*kernel)(Parameters...), dim3 grid, unsigned threads, Arguments... arguments) {
  launch(kernel, grid, threads, 0, nullptr, arguments...);
  (void)cudaDeviceSynchronize();
}

constexpr unsigned kAll = 0xFFFFFFFFU;

__global__ void sum_blocks(const float* x, int n, float* sums) {
  __shared__ float warp_sums[32];
  float sum = 0;
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < n;
       i += static_cast<int>(gridDim.x * blockDim.x))
    sum += x[i];
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(kAll, sum, offset);
  if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? warp_sums[threadIdx.x] : 0;
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(kAll, sum, offset);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
  }
}

TEST(EmulatedBlock, ReducesWithShufflesAndSharedMemory) {
  std::vector<float> values(10'000);
  std::iota(values.begin(), values.end(), -3000.0F);
  const DeviceArray<float> x(values);
  const DeviceArray<float> sums(5);
  launch(sum_blocks, dim3(5), 256, 0, nullptr, x.data(), 10'000, sums.data());
  float total = 0;
  for (const float sum : sums.values()) total += sum;
  EXPECT_EQ(total, 19'995'000.0F);
}

__global__ void note_places(uint3* places, unsigned* blocks) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  for (int round = 0; round < 3; ++round) {
    __syncthreads();
    places[block * threads + thread] = threadIdx;
    __syncwarp(__ballot_sync(thread / 32 < threads / 32 ? kAll : (1U << threads % 32) - 1, 1));
    blocks[block * threads + thread] = blockIdx.x + 10 * blockIdx.y + 100 * blockIdx.z;
  }
}

TEST(EmulatedBlock, EveryThreadKnowsItsPlaceAfterEveryWait) {
  constexpr unsigned kBlocks = 2 * 3 * 2;
  constexpr unsigned kThreads = 5 * 4 * 2;
  const DeviceArray<uint3> places(kBlocks * kThreads);
  const DeviceArray<unsigned> blocks(kBlocks * kThreads);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(2, 3, 2);
  config.blockDim = dim3(5, 4, 2);
  ASSERT_EQ(cudaLaunchKernelEx(&config, note_places, places.data(), blocks.data()), cudaSuccess);
  const std::vector<uint3> seen = places.values();
  const std::vector<unsigned> seen_blocks = blocks.values();
  for (unsigned i = 0; i < kBlocks * kThreads; ++i) {
    const unsigned thread = i % kThreads;
    const unsigned block = i / kThreads;
    EXPECT_EQ(seen[i].x, thread % 5);
    EXPECT_EQ(seen[i].y, thread / 5 % 4);
    EXPECT_EQ(seen[i].z, thread / 20);
    EXPECT_EQ(seen_blocks[i], block % 2 + 10 * (block / 2 % 3) + 100 * (block / 6));
  }
}

__global__ void vote(int* counts, unsigned* ballots, int* any_and_all) {
  const int odd = static_cast<int>(threadIdx.x) % 2;
  counts[threadIdx.x] = __syncthreads_count(odd) + 1000 * __syncthreads_or(odd) + 2000 * __syncthreads_and(odd) +
                        4000 * __syncthreads_and(1);
  ballots[threadIdx.x] = __ballot_sync(kAll, threadIdx.x % 32 < 5 || threadIdx.x == 40);
  any_and_all[threadIdx.x] = __any_sync(kAll, threadIdx.x == 40) + 10 * __all_sync(kAll, threadIdx.x < 32);
}

TEST(EmulatedBlock, Votes) {
  const DeviceArray<int> counts(64);
  const DeviceArray<unsigned> ballots(64);
  const DeviceArray<int> any_and_all(64);
  launch(vote, dim3(1), 64, 0, nullptr, counts.data(), ballots.data(), any_and_all.data());
  EXPECT_EQ(counts.values(), std::vector<int>(64, 32 + 1000 + 4000));
  std::vector<unsigned> expected_ballots(64, 0x1FU);
  std::vector<int> expected_any(64, 10);
  for (std::size_t i = 32; i < 64; ++i) {
    expected_ballots[i] = 0x11FU;
    expected_any[i] = 1;
  }
  EXPECT_EQ(ballots.values(), expected_ballots);
  EXPECT_EQ(any_and_all.values(), expected_any);
}

__global__ void shuffle_values(int* indexed, long long* up, double* down, unsigned* sums) {
  const int lane = static_cast<int>(threadIdx.x);
  indexed[lane] = __shfl_sync(kAll, lane * 10, 3, 8);
  up[lane] = __shfl_up_sync(kAll, static_cast<long long>(lane) << 40U, 2);
  down[lane] = __shfl_down_sync(kAll, lane + 0.5, 4, 16);
  sums[lane] = __reduce_add_sync(kAll, static_cast<unsigned>(lane));
}

TEST(EmulatedWarp, ShufflesInSegmentsAndOfWideTypes) {
  const DeviceArray<int> indexed(32);
  const DeviceArray<long long> up(32);
  const DeviceArray<double> down(32);
  const DeviceArray<unsigned> sums(32);
  launch(shuffle_values, dim3(1), 32, 0, nullptr, indexed.data(), up.data(), down.data(), sums.data());
  for (int lane = 0; lane < 32; ++lane) {
    const auto i = static_cast<std::size_t>(lane);
    EXPECT_EQ(indexed.values()[i], (lane / 8 * 8 + 3) * 10);
    EXPECT_EQ(up.values()[i], static_cast<long long>(lane < 2 ? lane : lane - 2) << 40U);
    EXPECT_EQ(down.values()[i], (lane % 16 < 12 ? lane + 4 : lane) + 0.5);
    EXPECT_EQ(sums.values()[i], 31U * 16U);
  }
}

__global__ void halves(int* out) {
  // Each half of the warp goes its own way, and the halves meet again.
  const unsigned half = threadIdx.x < 16 ? 0xFFFFU : 0xFFFF0000U;
  int value = static_cast<int>(threadIdx.x);
  for (int round = 0; round < (threadIdx.x < 16 ? 3 : 5); ++round) value = __shfl_xor_sync(half, value, 1) + 1;
  __syncwarp();
  out[threadIdx.x] = value + 100 * __shfl_xor_sync(kAll, value, 16);
}

TEST(EmulatedWarp, HalvesGoTheirOwnWays) {
  const DeviceArray<int> out(32);
  launch(halves, dim3(1), 32, 0, nullptr, out.data());
  const std::vector<int> values = out.values();
  const auto expected = [](int lane) { return (lane ^ 1) + (lane < 16 ? 3 : 5); };
  for (int lane = 0; lane < 32; ++lane)
    EXPECT_EQ(values[static_cast<std::size_t>(lane)], expected(lane) + 100 * expected(lane ^ 16)) << lane;
}

__global__ void leave_early(int* out, bool whole_mask) {
  const unsigned remaining = __ballot_sync(kAll, threadIdx.x % 3 != 0);
  if (threadIdx.x % 3 == 0) return;
  out[threadIdx.x] = __popc(__ballot_sync(whole_mask ? kAll : remaining, 1));
}

TEST(EmulatedWarp, LanesThatRemainMeetUnderTheirOwnMask) {
  const DeviceArray<int> out(std::vector<int>(64, -1));
  launch(leave_early, dim3(2), 64, 0, nullptr, out.data(), false);
  const std::vector<int> values = out.values();
  for (unsigned i = 0; i < 64; ++i) {
    // Of lanes 0 to 31, eleven are multiples of 3; of 32 to 63, eleven as well.
    EXPECT_EQ(values[i], i % 3 == 0 ? -1 : 21) << i;
  }
}

TEST(EmulatedWarpDeathTest, AMaskThatNamesLanesWhichHaveLeft) {
  if (!may_fork()) GTEST_SKIP() << "under mpirun";
  const DeviceArray<int> out(64);
  EXPECT_DEATH(run(leave_early, dim3(1), 64, out.data(), true),
               "__ballot_sync with mask 0xFFFFFFFF at .*block_test.cpp");
}

__global__ void lanes_that_never_come() {
  if (threadIdx.x == 5)
    __syncthreads();
  else
    __syncwarp();
}

TEST(EmulatedWarpDeathTest, LanesThatNeverCome) {
  if (!may_fork()) GTEST_SKIP() << "under mpirun";
  EXPECT_DEATH(run(lanes_that_never_come, dim3(1), 32), "deadlock:[^$]*__syncwarp[^$]*__syncthreads[^$]*__syncwarp");
}

__global__ void some_skip_the_barrier(int first) {
  if (static_cast<int>(threadIdx.x) >= first) __syncthreads();
}

TEST(EmulatedBlockDeathTest, ABarrierThatSomeThreadsNeverReach) {
  if (!may_fork()) GTEST_SKIP() << "under mpirun";
  EXPECT_DEATH(run(some_skip_the_barrier, dim3(1), 64, 3), "has come to its end|__syncthreads at .*block_test.cpp");
}

__global__ void two_barriers() {
  // NOLINTNEXTLINE(bugprone-branch-clone): the branches are two places to wait in
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

TEST(EmulatedBlockDeathTest, ThreadsInDifferentBarriers) {
  if (!may_fork()) GTEST_SKIP() << "under mpirun";
  EXPECT_DEATH(run(two_barriers, dim3(1), 64), "but others wait in the one at");
}

__global__ void nothing() {}

TEST(EmulatedBlockDeathTest, WhatNoDeviceCanStart) {
  if (!may_fork()) GTEST_SKIP() << "under mpirun";
  EXPECT_DEATH(launch(nothing, dim3(1, 70'000), 32, 0, nullptr), "a grid of \\(1, 70000, 1\\) blocks");
  EXPECT_DEATH(launch(nothing, dim3(1), 1056, 0, nullptr), "a block of \\(1056, 1, 1\\) threads");
  cudaLaunchConfig_t config{};
  config.dynamicSmemBytes = 228 * 1024;
  EXPECT_DEATH((void)cudaLaunchKernelEx(&config, nothing), "shared memory");
}

TEST(EmulatedBlock, SharedMemoryBeyondWhatIsFreeMustBeAskedFor) {
  cudaLaunchConfig_t config{};
  config.dynamicSmemBytes = 50 * 1024;
  EXPECT_EQ(cudaLaunchKernelEx(&config, nothing), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(nothing, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 * 1024),
            cudaErrorInvalidValue);
  launch(nothing, dim3(1), 32, 227 * 1024, nullptr);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

__global__ void host_pointer(const int* /*data*/) {}

TEST(EmulatedBlockDeathTest, AKernelThatIsGivenHostMemory) {
  if (!may_fork()) GTEST_SKIP() << "under mpirun";
  const int on_the_host = 0;
  EXPECT_DEATH(launch(host_pointer, dim3(1), 32, 0, nullptr, &on_the_host), "parameter 0 of a kernel");
}

__global__ void reverse(const float* x, float* y, float* before) {
  auto* shared = reinterpret_cast<float*>(temper::dynamic_shared());
  const unsigned i = threadIdx.x;
  before[i] = shared[i];
  __syncthreads();
  shared[i] = x[blockIdx.x * blockDim.x + i];
  __syncthreads();
  y[blockIdx.x * blockDim.x + i] = shared[blockDim.x - 1 - i];
}

TEST(EmulatedBlock, DynamicSharedMemoryBeginsAsNaNs) {
  std::vector<float> values(128);
  std::iota(values.begin(), values.end(), 0.0F);
  const DeviceArray<float> x(values);
  const DeviceArray<float> y(128);
  const DeviceArray<float> before(64);
  launch(reverse, dim3(2), 64, 64 * sizeof(float), nullptr, x.data(), y.data(), before.data());
  const std::vector<float> result = y.values();
  for (std::size_t i = 0; i < 128; ++i) EXPECT_EQ(result[i], values[i / 64 * 64 + 63 - i % 64]);
  for (const float value : before.values()) EXPECT_TRUE(std::isnan(value));
}

__global__ void forget_a_barrier(int* out) {
  __shared__ int left[64];
  left[threadIdx.x] = -1;
  __syncthreads();
  left[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[64 * blockIdx.x + threadIdx.x] = left[63 - threadIdx.x];
}

TEST(EmulatedBlock, AMissingBarrierShows) {
  const DeviceArray<int> out(128);
  launch(forget_a_barrier, dim3(2), 64, 0, nullptr, out.data());
  const std::vector<int> values = out.values();
  int wrong = 0;
  for (int i = 0; i < 128; ++i) wrong += values[static_cast<std::size_t>(i)] != 63 - i % 64 ? 1 : 0;
  EXPECT_EQ(wrong, 64);
  EXPECT_NE(values[0] == 63, values[64] == 63);
}

__global__ void copy_late(const uint4* from, uint4* early, uint4* late) {
  auto* shared = reinterpret_cast<uint4*>(temper::dynamic_shared());
  temper::copy_16_bytes(shared + threadIdx.x, from + threadIdx.x, threadIdx.x < 20);
  early[threadIdx.x] = shared[threadIdx.x];
  temper::wait_for_copies();
  late[threadIdx.x] = shared[threadIdx.x];
}

TEST(EmulatedBlock, AsynchronousCopiesArriveWhenWaitedFor) {
  std::vector<uint4> values(32);
  for (unsigned i = 0; i < 32; ++i) values[i] = {i, i + 1, i + 2, i + 3};
  const DeviceArray<uint4> from(values);
  const DeviceArray<uint4> early(32);
  const DeviceArray<uint4> late(32);
  launch(copy_late, dim3(1), 32, 32 * sizeof(uint4), nullptr, from.data(), early.data(), late.data());
  for (unsigned i = 0; i < 32; ++i) {
    EXPECT_EQ(early.values()[i].x, kAll);
    EXPECT_EQ(late.values()[i].w, i < 20 ? i + 3 : 0);
  }
}

// a [16, 16] b [16, 8] with a read by load_matrices and b, which lies as [k, n], by the transposing one.
__global__ void tensor_core(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c) {
  auto* shared_a = reinterpret_cast<__nv_bfloat16*>(temper::dynamic_shared());
  __nv_bfloat16* shared_b = shared_a + 256;
  for (unsigned i = threadIdx.x; i < 256; i += 32) {
    shared_a[i] = a[i];
    shared_b[i] = b[i];
  }
  __syncwarp();
  const unsigned lane = threadIdx.x;
  std::uint32_t fragment_a[4];
  temper::load_matrices(fragment_a, shared_a + (lane % 16) * 16 + (lane / 16) * 8);
  std::uint32_t fragment_b[4];
  temper::load_matrices_transposed(fragment_b, shared_b + (lane % 16) * 16 + (lane / 16) * 8);
  for (unsigned half = 0; half < 2; ++half) {
    float product[4] = {1, 1, 1, 1};
    const std::uint32_t columns[2] = {fragment_b[2 * half], fragment_b[2 * half + 1]};
    temper::warp_multiply(product, fragment_a, columns);
    for (unsigned i = 0; i < 4; ++i) c[(lane / 4 + 8 * (i / 2)) * 16 + 8 * half + 2 * (lane % 4) + i % 2] = product[i];
  }
}

TEST(EmulatedWarp, MultipliesMatricesAsTheTensorCoreDoes) {
  std::vector<__nv_bfloat16> a(256);
  std::vector<__nv_bfloat16> b(256);
  for (int i = 0; i < 256; ++i) {
    a[static_cast<std::size_t>(i)] = static_cast<float>(i % 17 - 8);
    b[static_cast<std::size_t>(i)] = static_cast<float>(i % 13 - 6);
  }
  const DeviceArray<__nv_bfloat16> device_a(a);
  const DeviceArray<__nv_bfloat16> device_b(b);
  const DeviceArray<float> device_c(256);
  launch(tensor_core, dim3(1), 32, 1024, nullptr, device_a.data(), device_b.data(), device_c.data());
  const std::vector<float> c = device_c.values();
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 16; ++j) {
      float expected = 1;
      for (std::size_t k = 0; k < 16; ++k) expected += float(a[16 * i + k]) * float(b[16 * k + j]);
      EXPECT_EQ(c[16 * i + j], expected) << i << ' ' << j;
    }
}

TEST(EmulatedWarp, PacksPairsRoundedToNearestEven) {
  EXPECT_EQ(temper::pack_pair(1.0F, -2.0F), 0xC0003F80U);
  // Half way between two neighbours: to the even one.
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16(1.00390625F)), 0x3F80);
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16(1.01171875F)), 0x3F82);
}

}  // namespace
}  // namespace simt
