#include "base/memory_usage.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <new>

namespace temper {
namespace {

constexpr std::int64_t kBytes = 64 << 20;

/// Touches and gives back `kBytes` of memory of its own.
MemoryUsage usage_while_holding_memory(int sharing) {
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  std::memset(memory, 1, kBytes);
  const MemoryUsage usage = memory_usage();
  ::munmap(memory, kBytes);
  return usage;
}

TEST(MemoryUsage, PrivateMemoryIsSeenWhileItIsHeldAndInThePeakAfter) {
  const MemoryUsage before = memory_usage();
  const MemoryUsage held = usage_while_holding_memory(MAP_PRIVATE);
  // The kernel counts pages by thread and adds them up late; a quarter is more than it is ever off by.
  EXPECT_GT(held.resident, before.resident + kBytes * 3 / 4);
  EXPECT_GT(held.anonymous, before.anonymous + kBytes * 3 / 4);
  EXPECT_GE(peak_resident_bytes(), before.resident + kBytes * 3 / 4);
  EXPECT_LT(memory_usage().resident, held.resident - kBytes / 2);
}

TEST(MemoryUsage, SharedMemoryIsCountedApart) {
  const MemoryUsage before = memory_usage();
  const MemoryUsage held = usage_while_holding_memory(MAP_SHARED);
  EXPECT_GT(held.shared, before.shared + kBytes * 3 / 4);
  EXPECT_LT(held.anonymous, before.anonymous + kBytes / 4);
}

TEST(MemoryUsage, WhatProcessesShareIsDividedAmongThem) {
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, kBytes);
  const std::int64_t alone = proportional_bytes();
  std::array<int, 2> ready{};
  std::array<int, 2> done{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(done.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // maps the pages of its parent as it reads them, and waits
    ::close(done[1]);
    const auto* bytes = static_cast<const volatile unsigned char*>(memory);
    char sum = 0;
    for (std::int64_t i = 0; i < kBytes; i += 4096) sum = static_cast<char>(sum + bytes[i]);
    (void)!::write(ready[1], &sum, 1);
    (void)!::read(done[0], &sum, 1);
    ::_exit(0);
  }
  char said = 0;
  ASSERT_EQ(::read(ready[0], &said, 1), 1);
  const std::int64_t beside = proportional_bytes();
  ::close(done[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  for (const int end : {ready[0], ready[1], done[0]}) ::close(end);
  ::munmap(memory, kBytes);
  EXPECT_GT(alone, kBytes);
  EXPECT_LT(beside, alone - kBytes / 4);
}

}  // namespace
}  // namespace temper
