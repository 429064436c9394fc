#include "base/memory_usage.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

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

}  // namespace
}  // namespace temper
