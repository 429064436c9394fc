#include "tests/simt/device_memory.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/simt/device_heap.h"

namespace simt {
namespace {

struct Block {
  std::size_t bytes = 0;
  bool retired = false;
};

/// Blocks by where they begin.
class Blocks {
 public:
  void add(void* block, std::size_t bytes) {
    blocks_[static_cast<std::byte*>(block)] = {bytes, false};
    bytes_ += bytes;
  }
  void remove(void* place) {
    const auto block = blocks_.find(static_cast<std::byte*>(place));
    bytes_ -= block->second.bytes;
    blocks_.erase(block);
  }
  Block* at(const void* place) {
    const auto block = blocks_.find(static_cast<const std::byte*>(place));
    return block == blocks_.end() ? nullptr : &block->second;
  }
  bool holds(const void* place, std::size_t bytes) const {
    const auto* const begin = static_cast<const std::byte*>(place);
    auto after = blocks_.upper_bound(begin);
    if (after == blocks_.begin()) return false;
    --after;
    return begin + bytes <= after->first + after->second.bytes;
  }
  std::size_t bytes() const { return bytes_; }
  std::size_t count() const { return blocks_.size(); }

 private:
  std::map<const std::byte*, Block> blocks_;
  std::size_t bytes_ = 0;
};

Blocks& device_blocks() {
  static Blocks blocks;
  return blocks;
}

Blocks& pinned_blocks() {
  static Blocks blocks;
  return blocks;
}

std::size_t& capacity() {
  static std::size_t bytes = [] {
    const char* const wanted = std::getenv("TEMPER_SIMT_MEMORY");
    return wanted != nullptr ? std::stoull(wanted) : std::size_t{80} << 30U;
  }();
  return bytes;
}

}  // namespace

void* allocate_device(std::size_t bytes) {
  Blocks& blocks = device_blocks();
  if (pool_use().now + bytes > capacity()) return nullptr;
  void* const block = take_device_block(bytes);
  if (block == nullptr) return nullptr;
  blocks.add(block, bytes);
  PoolUse& use = pool_use();
  use.now += bytes;
  use.high = std::max(use.high, use.now);
  return block;
}

bool retire_device(void* place) {
  Block* const block = device_blocks().at(place);
  if (block == nullptr || block->retired) return false;
  block->retired = true;
  pool_use().now -= block->bytes;
  return true;
}

bool release_device(void* place) {
  retire_device(place);
  const Block* const block = device_blocks().at(place);
  if (block == nullptr) return false;
  const std::size_t bytes = block->bytes;
  device_blocks().remove(place);
  give_device_block(place, bytes);
  return true;
}

std::size_t device_block_bytes(const void* place) {
  const Block* const block = device_blocks().at(place);
  return block == nullptr ? 0 : block->bytes;
}

bool is_device(const void* place, std::size_t bytes) { return device_blocks().holds(place, bytes); }
std::size_t device_memory_bytes() { return capacity(); }
void set_device_memory(std::size_t bytes) { capacity() = bytes; }
DeviceUse device_use() { return {device_blocks().bytes(), device_blocks().count()}; }

PoolUse& pool_use() {
  static PoolUse use;
  return use;
}

void* allocate_pinned(std::size_t bytes) {
  void* block = nullptr;
  if (posix_memalign(&block, 4096, std::max<std::size_t>(bytes, 1)) != 0) return nullptr;
  pinned_blocks().add(block, bytes);
  return block;
}

bool release_pinned(void* block) {
  if (pinned_blocks().at(block) == nullptr) return false;
  pinned_blocks().remove(block);
  std::free(block);
  return true;
}

bool is_pinned(const void* place, std::size_t bytes) { return pinned_blocks().holds(place, bytes); }

}  // namespace simt
