#include "tensor/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace temper {
namespace {

TEST(HostMemory, HandsOutAFreedBlockAgain) {
  HostMemory memory;
  void* first = memory.allocate(100'000);
  memory.release(first, 100'000);
  void* second = memory.allocate(99'000);
  EXPECT_EQ(first, second);
  memory.release(second, 99'000);
}

TEST(HostMemory, JoinsFreedNeighbours) {
  HostMemory memory;
  std::array<void*, 4> blocks{};
  for (void*& block : blocks) block = memory.allocate(10'000);
  for (const std::size_t i : {0U, 2U, 1U}) memory.release(blocks.at(i), 10'000);
  void* joined = memory.allocate(29'000);
  EXPECT_EQ(joined, blocks[0]);
  memory.release(joined, 29'000);
  memory.release(blocks[3], 10'000);
}

TEST(HostMemory, TakesTheTightestHole) {
  HostMemory memory;
  std::array<void*, 5> blocks{};
  const std::array<std::size_t, 5> sizes{50'000, 1'000, 20'000, 1'000, 1'000};
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks.at(i) = memory.allocate(sizes.at(i));
  memory.release(blocks[0], sizes[0]);
  memory.release(blocks[2], sizes[2]);
  void* block = memory.allocate(19'000);
  EXPECT_EQ(block, blocks[2]);
}

TEST(HostMemory, NeverHandsOutTheSameByteTwice) {
  HostMemory memory;
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same sizes every time
  std::vector<std::pair<std::byte*, std::size_t>> held;
  for (int i = 0; i < 5'000; ++i) {
    if (!held.empty() && random() % 2 == 0) {
      std::swap(held[random() % held.size()], held.back());
      const auto [block, size] = held.back();
      ASSERT_EQ(block[0], block[size - 1]);
      memory.release(block, size);
      held.pop_back();
      continue;
    }
    const std::size_t size = 1 + random() % 20'000;
    auto* block = static_cast<std::byte*>(memory.allocate(size));
    block[0] = block[size - 1] = static_cast<std::byte>(i % 251);
    held.emplace_back(block, size);
  }
  std::sort(held.begin(), held.end());
  for (std::size_t i = 1; i < held.size(); ++i) EXPECT_LE(held[i - 1].first + held[i - 1].second, held[i].first);
}

TEST(HostMemory, KeepsWhatIsInUseWhenTrimmed) {
  HostMemory memory;
  auto* kept = static_cast<std::byte*>(memory.allocate(10'000));
  void* freed = memory.allocate(1'000'000);
  kept[9'999] = std::byte{42};
  memory.release(freed, 1'000'000);
  memory.trim();
  EXPECT_EQ(kept[9'999], std::byte{42});
}

TEST(HostMemory, GivesZeroBytesWhereItIsAskedTo) {
  HostMemory memory;
  const auto is_zero = [](const void* block, std::size_t bytes) {
    const auto* first = static_cast<const char*>(block);
    return std::all_of(first, first + bytes, [](char byte) { return byte == 0; });
  };
  // Partly used before, partly never.
  void* used = memory.allocate(100'000);
  std::memset(used, 1, 100'000);
  memory.release(used, 100'000);
  for (const std::size_t bytes : {50'000U, 300'000U}) {
    void* block = memory.allocate_zeroed(bytes);
    EXPECT_TRUE(is_zero(block, bytes)) << bytes;
    memory.release(block, bytes);
  }
}

TEST(HostMemory, AlignsBlocksToCacheLines) {
  HostMemory memory;
  for (const std::size_t bytes : {1UL, 1025UL, 5000UL, 123'457UL}) {
    void* block = memory.allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    memory.release(block, bytes);
  }
}

TEST(HostMemory, CountsWhatIsInUse) {
  HostMemory memory;
  {
    const Tensor tensor = Tensor::empty(memory, {1024, 4});
    EXPECT_GE(memory.use().in_use, 16384U);
  }
  EXPECT_EQ(memory.use().in_use, 0U);
  EXPECT_GE(memory.use().peak, 16384U);
}

}  // namespace
}  // namespace temper
