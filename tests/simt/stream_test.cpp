// The emulator's streams, memory and graphs.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/kernels/cuda/launch.cuh"
#include "tests/simt/device_array.h"
#include "tests/simt/sanitizers.h"
#include "tests/simt/simulated_gpu.h"

namespace simt {
namespace {

using temper::launch;

__global__ void add_to(int* x, int value) { *x += value; }
__global__ void scale_into(const int* x, int factor, int* y) { *y = *x * factor; }

class EmulatedStreams : public testing::Test {
 protected:
  EmulatedStreams() {
    EXPECT_EQ(cudaStreamCreateWithFlags(&first_, cudaStreamNonBlocking), cudaSuccess);
    EXPECT_EQ(cudaStreamCreateWithPriority(&second_, cudaStreamNonBlocking, -1), cudaSuccess);
    EXPECT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), cudaSuccess);
  }
  ~EmulatedStreams() override {
    EXPECT_EQ(cudaEventDestroy(event_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(second_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(first_), cudaSuccess);
  }
  int on_host(const int* x) {
    int value = 0;
    EXPECT_EQ(cudaMemcpy(&value, x, sizeof(int), cudaMemcpyDeviceToHost), cudaSuccess);
    return value;
  }

  cudaStream_t first_ = nullptr;
  cudaStream_t second_ = nullptr;
  cudaEvent_t event_ = nullptr;
};

TEST_F(EmulatedStreams, WorkRunsWhenSomebodyWaits) {
  const DeviceArray<int> x(std::vector<int>{1});
  launch(add_to, dim3(1), 1, 0, first_, x.data(), 5);
  EXPECT_EQ(on_host(x.data()), 1);
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(on_host(x.data()), 6);
}

TEST_F(EmulatedStreams, WithoutAnEventTheOtherStreamSeesWhatWasBefore) {
  const DeviceArray<int> x(std::vector<int>{1});
  const DeviceArray<int> y(std::vector<int>{0});
  launch(add_to, dim3(1), 1, 0, first_, x.data(), 5);
  launch(scale_into, dim3(1), 1, 0, second_, x.data(), 10, y.data());
  ASSERT_EQ(cudaStreamSynchronize(second_), cudaSuccess);
  EXPECT_EQ(on_host(y.data()), 10);
}

TEST_F(EmulatedStreams, WithAnEventItSeesWhatWasRecorded) {
  const DeviceArray<int> x(std::vector<int>{1});
  const DeviceArray<int> y(std::vector<int>{0});
  launch(add_to, dim3(1), 1, 0, first_, x.data(), 5);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  launch(add_to, dim3(1), 1, 0, first_, x.data(), 100);
  ASSERT_EQ(cudaStreamWaitEvent(second_, event_), cudaSuccess);
  // Recorded again: the wait is for the first.
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  launch(scale_into, dim3(1), 1, 0, second_, x.data(), 10, y.data());
  ASSERT_EQ(cudaStreamSynchronize(second_), cudaSuccess);
  EXPECT_EQ(on_host(y.data()), 60);
  EXPECT_EQ(on_host(x.data()), 6);
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  EXPECT_EQ(on_host(x.data()), 106);
}

TEST_F(EmulatedStreams, PinnedMemoryIsReadLateAndPageableMemoryAtOnce) {
  int* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, sizeof(int)), cudaSuccess);
  int pageable = 1;
  *pinned = 1;
  const DeviceArray<int> x(2);
  ASSERT_EQ(cudaMemcpyAsync(x.data(), pinned, sizeof(int), cudaMemcpyHostToDevice, first_), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(x.data() + 1, &pageable, sizeof(int), cudaMemcpyHostToDevice, first_), cudaSuccess);
  *pinned = 2;
  pageable = 2;
  EXPECT_EQ(x.values(), (std::vector<int>{2, 1}));

  *pinned = 0;
  ASSERT_EQ(cudaMemcpyAsync(pinned, x.data(), sizeof(int), cudaMemcpyDeviceToHost, first_), cudaSuccess);
  EXPECT_EQ(*pinned, 0);
  ASSERT_EQ(cudaMemcpyAsync(&pageable, x.data(), sizeof(int), cudaMemcpyDeviceToHost, first_), cudaSuccess);
  EXPECT_EQ(*pinned, 2);
  EXPECT_EQ(pageable, 2);
  ASSERT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(EmulatedStreams, ACopyInTheWrongDirectionOrBeyondABlockIsRefused) {
  const DeviceArray<int> x(2);
  int host[3] = {};
  EXPECT_EQ(cudaMemcpyAsync(host, x.data(), 8, cudaMemcpyHostToDevice, first_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(x.data(), host, 12, cudaMemcpyHostToDevice, first_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(EmulatedStreams, MemoryComesFullOfNaNsAndGoesInItsTurn) {
  const DeviceUse before = device_use();
  float* block = nullptr;
  ASSERT_EQ(cudaMallocAsync(&block, 40, first_), cudaSuccess);
  float value = 0;
  ASSERT_EQ(cudaMemcpyAsync(&value, block, 4, cudaMemcpyDeviceToHost, first_), cudaSuccess);
  EXPECT_TRUE(std::isnan(value));
  ASSERT_EQ(cudaFreeAsync(block, first_), cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(block, first_), cudaErrorInvalidValue);
  EXPECT_EQ(device_use().bytes, before.bytes + 40);
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(device_use().bytes, before.bytes);
}

TEST_F(EmulatedStreams, ThePoolCountsWhatIsInUse) {
  cudaMemPool_t pool = nullptr;
  ASSERT_EQ(cudaDeviceGetDefaultMemPool(&pool, 0), cudaSuccess);
  std::uint64_t before = 0;
  ASSERT_EQ(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &before), cudaSuccess);
  std::uint64_t high = 0;
  ASSERT_EQ(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &high), cudaSuccess);
  void* block = nullptr;
  ASSERT_EQ(cudaMallocFromPoolAsync(&block, 1000, pool, first_), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(block, first_), cudaSuccess);
  ASSERT_EQ(cudaMallocFromPoolAsync(&block, 1000, pool, first_), cudaSuccess);
  ASSERT_EQ(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &high), cudaSuccess);
  EXPECT_EQ(high, before + 1000);
  ASSERT_EQ(cudaFreeAsync(block, first_), cudaSuccess);
}

TEST_F(EmulatedStreams, MemoryRunsOut) {
  std::size_t free = 0;
  std::size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  set_device_memory(total - free + 100);
  void* block = nullptr;
  EXPECT_EQ(cudaMallocAsync(&block, 101, first_), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMallocAsync(&block, 100, first_), cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(block, first_), cudaSuccess);
  set_device_memory(total);
}

TEST_F(EmulatedStreams, WithoutADeviceEveryCallSaysSo) {
  set_device_count(0);
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  void* block = nullptr;
  EXPECT_EQ(cudaMalloc(&block, 4), cudaErrorNoDevice);
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaErrorNoDevice);
  EXPECT_STREQ(cudaGetErrorString(cudaGetLastError()), "no CUDA-capable device is detected");
  set_device_count(8);
}

TEST(EmulatedStreamsDeathTest, TheHostCannotTouchTheDevicesMemory) {
#ifdef TEMPER_ADDRESS_SANITIZER
  GTEST_SKIP() << "under AddressSanitizer the memory is the host's";
#endif
  if (!may_fork()) GTEST_SKIP() << "under mpirun";
  const DeviceArray<int> x(std::vector<int>{1});
  EXPECT_DEATH(*x.data() = 2, "the host touched memory of the device");
  EXPECT_DEATH(EXPECT_EQ(*x.data(), 1), "the host touched memory of the device");
}

TEST_F(EmulatedStreams, AGraphRunsAgainAtEveryLaunch) {
  const DeviceArray<int> x(std::vector<int>{1});
  const DeviceArray<int> y(std::vector<int>{0});
  ASSERT_EQ(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  ASSERT_EQ(cudaStreamIsCapturing(first_, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  int* scratch = nullptr;
  ASSERT_EQ(cudaMallocAsync(&scratch, sizeof(int), first_), cudaSuccess);
  launch(add_to, dim3(1), 1, 0, first_, x.data(), 5);
  launch(scale_into, dim3(1), 1, 0, first_, x.data(), 2, scratch);
  // A second stream takes part by an event, and is joined by another.
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second_, event_), cudaSuccess);
  launch(scale_into, dim3(1), 1, 0, second_, scratch, 10, y.data());
  ASSERT_EQ(cudaEventRecord(event_, second_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(first_, event_), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(scratch, first_), cudaSuccess);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(first_, &graph), cudaSuccess);
  EXPECT_EQ(on_host(x.data()), 1);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, first_), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, first_), cudaSuccess);
  ASSERT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(on_host(x.data()), 11);
  EXPECT_EQ(on_host(y.data()), 220);
}

TEST_F(EmulatedStreams, WhatCannotBeRecordedEndsTheRecording) {
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(first_), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event_), cudaErrorCapturedEvent);
  ASSERT_EQ(cudaStreamWaitEvent(second_, event_), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureUnjoined);
  (void)cudaGetLastError();
}

}  // namespace
}  // namespace simt
