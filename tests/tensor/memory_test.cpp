#include "tensor/memory.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/error.h"
#include "tensor/tensor.h"

namespace temper {
namespace {

TEST(HostMemory, HandsOutAFreedBlockOfTheSameClassAgain) {
  HostMemory memory;
  void* first = memory.allocate(100'000);
  memory.release(first, 100'000);
  void* second = memory.allocate(99'000);
  EXPECT_EQ(first, second);
  memory.release(second, 99'000);
}

TEST(HostMemory, AlignsBlocksToCacheLines) {
  HostMemory memory;
  for (const std::size_t bytes : {1UL, 1025UL, 5000UL, 123'457UL}) {
    void* block = memory.allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    memory.release(block, bytes);
  }
}

TEST(HostMemory, SizeClassesWasteAtMostAThird) {
  for (std::size_t bytes = 1024; bytes < 5'000'000; bytes += 997) {
    EXPECT_GE(HostMemory::size_class(bytes), bytes);
    EXPECT_LE(static_cast<double>(HostMemory::size_class(bytes)), 1.34 * static_cast<double>(bytes));
    EXPECT_EQ(HostMemory::size_class(bytes) % 64, 0U);
  }
}

TEST(HostMemory, CountsWhatIsInUse) {
  HostMemory memory;
  {
    const Tensor tensor = Tensor::empty(memory, {1024, 4});
    EXPECT_EQ(memory.use().in_use, 16384U);
  }
  EXPECT_EQ(memory.use().in_use, 0U);
  EXPECT_EQ(memory.use().peak, 16384U);
}

TEST(Tensor, CopiesShareMemory) {
  HostMemory memory;
  const Tensor tensor = Tensor::empty(memory, {2, 3});
  const Tensor copy = tensor;  // NOLINT(performance-unnecessary-copy-initialization): the copy is what is tested
  copy.data<float>()[5] = 7.0F;
  EXPECT_EQ(tensor.data<float>()[5], 7.0F);
}

TEST(Tensor, RefusesToBeReadAsAnotherType) {
  HostMemory memory;
  const Tensor tensor = Tensor::empty(memory, {2}, DType::i32);
  EXPECT_THROW((void)tensor.data<float>(), Error);
}

}  // namespace
}  // namespace temper
