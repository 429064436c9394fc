// The emulator's NCCL, on as many ranks as there are.
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/simt/device_array.h"
#include "tests/simt/simulated_gpu.h"
#include "tests/world.h"

namespace simt {
namespace {

class EmulatedNccl : public testing::Test {
 protected:
  EmulatedNccl() {
    temper::Communicator& world = temper::world_communicator();
    rank_ = world.rank();
    size_ = world.size();
    EXPECT_EQ(cudaSetDevice(rank_), cudaSuccess);
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    comm_ = connected();
  }
  ~EmulatedNccl() override {
    if (comm_ != nullptr) {
      settle(ncclCommFinalize(comm_));
      EXPECT_EQ(ncclCommDestroy(comm_), ncclSuccess);
    }
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  }

  ncclComm_t connected() {
    ncclUniqueId id{};
    EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
    temper::world_communicator().broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t comm = nullptr;
    EXPECT_EQ(ncclCommInitRankConfig(&comm, size_, id, rank_, &config), ncclInProgress);
    last_ = state_of(comm);
    return comm;
  }
  /// Polls until nothing is in progress.
  static ncclResult_t state_of(ncclComm_t comm) {
    ncclResult_t state = ncclInProgress;
    while (state == ncclInProgress) {
      EXPECT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
      // Ranks may share a core.
      std::this_thread::yield();
    }
    return state;
  }
  void settle(ncclResult_t result) {
    EXPECT_TRUE(result == ncclSuccess || result == ncclInProgress) << ncclGetErrorString(result);
    EXPECT_EQ(state_of(comm_), ncclSuccess);
  }
  void synchronize() { ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess); }

  /// [count] values of one rank.
  static std::vector<float> numbers(int rank, std::size_t count = 5) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(10 * (rank + 1)) + static_cast<float>(i);
    return values;
  }
  std::vector<float> sums(std::size_t count = 5) const {
    std::vector<float> total(count);
    for (int rank = 0; rank < size_; ++rank)
      for (std::size_t i = 0; i < count; ++i) total[i] += numbers(rank, count)[i];
    return total;
  }

  int rank_ = 0;
  int size_ = 1;
  cudaStream_t stream_ = nullptr;
  ncclComm_t comm_ = nullptr;
  ncclResult_t last_ = ncclSuccess;
};

TEST_F(EmulatedNccl, KnowsItsRanks) {
  ASSERT_EQ(last_, ncclSuccess);
  int count = 0;
  int rank = -1;
  EXPECT_EQ(ncclCommCount(comm_, &count), ncclSuccess);
  EXPECT_EQ(ncclCommUserRank(comm_, &rank), ncclSuccess);
  EXPECT_EQ(count, size_);
  EXPECT_EQ(rank, rank_);
}

TEST_F(EmulatedNccl, AllReducesInPlaceWhenTheStreamIsWaitedFor) {
  const DeviceArray<float> x(numbers(rank_));
  settle(ncclAllReduce(x.data(), x.data(), 5, ncclFloat32, ncclSum, comm_, stream_));
  float first = 0;
  ASSERT_EQ(cudaMemcpy(&first, x.data(), sizeof(float), cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(first, numbers(rank_).front());
  synchronize();
  EXPECT_EQ(x.values(), sums());
}

TEST_F(EmulatedNccl, ReducesEveryTypeAndOperation) {
  const DeviceArray<double> doubles(std::vector<double>{rank_ + 0.5});
  const DeviceArray<std::int64_t> integers(std::vector<std::int64_t>{-rank_});
  const DeviceArray<__nv_bfloat16> halves(std::vector<__nv_bfloat16>{static_cast<float>(rank_)});
  const DeviceArray<float> floats(numbers(rank_));
  settle(ncclAllReduce(doubles.data(), doubles.data(), 1, ncclFloat64, ncclMax, comm_, stream_));
  settle(ncclAllReduce(integers.data(), integers.data(), 1, ncclInt64, ncclMin, comm_, stream_));
  settle(ncclAllReduce(halves.data(), halves.data(), 1, ncclBfloat16, ncclSum, comm_, stream_));
  settle(ncclAllReduce(floats.data(), floats.data(), 5, ncclFloat32, ncclAvg, comm_, stream_));
  synchronize();
  EXPECT_EQ(doubles.values().front(), size_ - 0.5);
  EXPECT_EQ(integers.values().front(), 1 - size_);
  const int sum_of_ranks = size_ * (size_ - 1) / 2;
  EXPECT_EQ(float(halves.values().front()), static_cast<float>(sum_of_ranks));
  EXPECT_EQ(floats.values()[1], sums()[1] / static_cast<float>(size_));
}

TEST_F(EmulatedNccl, ReducesToOneRank) {
  const int root = size_ - 1;
  const DeviceArray<float> mine(numbers(rank_));
  const DeviceArray<float> sum(std::vector<float>(5, -1.0F));
  settle(ncclReduce(mine.data(), sum.data(), 5, ncclFloat32, ncclSum, root, comm_, stream_));
  synchronize();
  EXPECT_EQ(sum.values(), rank_ == root ? sums() : std::vector<float>(5, -1.0F));
}

TEST_F(EmulatedNccl, ReducesAndScattersThenGathers) {
  const auto ranks = static_cast<std::size_t>(size_);
  const DeviceArray<float> all(numbers(rank_, 3 * ranks));
  float* const mine = all.data() + 3 * rank_;
  settle(ncclReduceScatter(all.data(), mine, 3, ncclFloat32, ncclSum, comm_, stream_));
  settle(ncclAllGather(mine, all.data(), 3, ncclFloat32, comm_, stream_));
  synchronize();
  EXPECT_EQ(all.values(), sums(3 * ranks));
}

TEST_F(EmulatedNccl, Broadcasts) {
  const int root = size_ / 2;
  const DeviceArray<float> x(numbers(rank_));
  settle(ncclBroadcast(x.data(), x.data(), 5, ncclFloat32, root, comm_, stream_));
  synchronize();
  EXPECT_EQ(x.values(), numbers(root));
}

TEST_F(EmulatedNccl, ExchangesInAGroup) {
  // Around the ring in both directions; large enough that no message goes without its receiver.
  constexpr std::size_t kCount = 100'000;
  const int next = (rank_ + 1) % size_;
  const int before = (rank_ + size_ - 1) % size_;
  const DeviceArray<float> mine(numbers(rank_, kCount));
  const DeviceArray<float> from_before(kCount);
  const DeviceArray<float> from_next(kCount);
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  EXPECT_EQ(ncclSend(mine.data(), kCount, ncclFloat32, next, comm_, stream_), ncclSuccess);
  EXPECT_EQ(ncclRecv(from_before.data(), kCount, ncclFloat32, before, comm_, stream_), ncclSuccess);
  EXPECT_EQ(ncclSend(mine.data(), kCount, ncclFloat32, before, comm_, stream_), ncclSuccess);
  EXPECT_EQ(ncclRecv(from_next.data(), kCount, ncclFloat32, next, comm_, stream_), ncclSuccess);
  settle(ncclGroupEnd());
  synchronize();
  EXPECT_EQ(from_before.values(), numbers(before, kCount));
  EXPECT_EQ(from_next.values(), numbers(next, kCount));
}

TEST_F(EmulatedNccl, ACallBeforeTheLastOneIsSettledIsRefused) {
  const DeviceArray<float> x(numbers(rank_));
  EXPECT_EQ(ncclAllReduce(x.data(), x.data(), 5, ncclFloat32, ncclSum, comm_, stream_), ncclInProgress);
  EXPECT_EQ(ncclAllReduce(x.data(), x.data(), 5, ncclFloat32, ncclSum, comm_, stream_), ncclInvalidArgument);
  settle(ncclInProgress);
  const float host = 0;
  EXPECT_EQ(ncclBroadcast(&host, x.data(), 1, ncclFloat32, rank_, comm_, stream_), ncclInvalidArgument);
}

TEST_F(EmulatedNccl, IsRecordedInAGraph) {
  const DeviceArray<float> x(numbers(rank_));
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  settle(ncclAllReduce(x.data(), x.data(), 5, ncclFloat32, ncclSum, comm_, stream_));
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
  synchronize();
  ASSERT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  std::vector<float> expected = sums();
  for (float& value : expected) value *= static_cast<float>(size_);
  EXPECT_EQ(x.values(), expected);
}

TEST_F(EmulatedNccl, WorkGoesOnWhileTheHostPollsMpi) {
  const DeviceArray<float> x(numbers(rank_));
  settle(ncclAllReduce(x.data(), x.data(), 5, ncclFloat32, ncclSum, comm_, stream_));
  // Rank 0 waits for the others, who wait for its part of the sum.
  if (rank_ != 0) synchronize();
  temper::world_communicator().barrier();
  EXPECT_EQ(x.values(), sums());
}

TEST_F(EmulatedNccl, ARankThatNeverComesLeavesTheStreamPendingUntilItIsGivenUp) {
  if (size_ == 1) GTEST_SKIP() << "on one rank";
  const DeviceArray<float> x(numbers(rank_));
  if (rank_ != 0) settle(ncclAllReduce(x.data(), x.data(), 5, ncclFloat32, ncclSum, comm_, stream_));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(cudaStreamQuery(stream_), rank_ == 0 ? cudaSuccess : cudaErrorNotReady);
  EXPECT_EQ(ncclCommAbort(comm_), ncclSuccess);
  comm_ = nullptr;
  synchronize();
  EXPECT_EQ(x.values(), numbers(rank_));
}

TEST_F(EmulatedNccl, ReportsALostRank) {
  set_communication_broken(true);
  EXPECT_EQ(state_of(comm_), ncclRemoteError);
  EXPECT_STRNE(ncclGetLastError(comm_), "");
  set_communication_broken(false);
}

TEST_F(EmulatedNccl, TwoRanksOnOneGpuAreRefused) {
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  ncclComm_t comm = connected();
  EXPECT_EQ(last_, size_ == 1 ? ncclSuccess : ncclInvalidUsage);
  EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
}

}  // namespace
}  // namespace simt
