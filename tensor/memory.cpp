#include "tensor/memory.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/error.h"

namespace temper {

namespace {
constexpr std::size_t kAlignment = 64;
}

std::size_t HostMemory::size_class(std::size_t bytes) {
  if (bytes <= 1024) return 1024;
  const std::size_t quarter = std::bit_floor(bytes - 1) / 4;
  return (bytes + quarter - 1) / quarter * quarter;
}

HostMemory::~HostMemory() {
  for (auto& [size, blocks] : kept_)
    for (void* block : blocks) std::free(block);
}

void* HostMemory::allocate(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  use_.in_use += size;
  use_.peak = std::max(use_.peak, use_.in_use);
  auto& blocks = kept_[size];
  if (!blocks.empty()) {
    void* block = blocks.back();
    blocks.pop_back();
    return block;
  }
  void* block = std::aligned_alloc(kAlignment, size);
  if (block == nullptr) {
    use_.in_use -= size;
    throw Error(
        "out of memory: {} bytes were asked for while {} are in use; lower train.batch_size or raise "
        "train.gradient_accumulation",
        size, use_.in_use);
  }
  use_.held += size;
  return block;
}

void HostMemory::release(void* block, std::size_t bytes) noexcept {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  use_.in_use -= size;
  kept_[size].push_back(block);
}

MemoryUse HostMemory::use() const {
  const std::lock_guard lock(mutex_);
  return use_;
}

void HostMemory::reset_peak() {
  const std::lock_guard lock(mutex_);
  use_.peak = use_.in_use;
}

}  // namespace temper
