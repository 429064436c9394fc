// The memory of the emulated device, and which host memory is pinned.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/simt/simulated_gpu.h"

namespace simt {

/// A new block, full of NaNs; null where the device has no room for it.
void* allocate_device(std::size_t bytes);
/// False where no block begins at `block`.
bool release_device(void* block);
/// From now on the block counts as given back, although it is there until its place in a stream is reached.
bool retire_device(void* block);
/// The size of the block that begins at `block`, 0 where none does.
std::size_t device_block_bytes(const void* block);
bool is_device(const void* place, std::size_t bytes);
std::size_t device_memory_bytes();

struct PoolUse {
  std::uint64_t now = 0;
  std::uint64_t high = 0;
};
/// Blocks that are neither released nor retired.
PoolUse& pool_use();

void* allocate_pinned(std::size_t bytes);
bool release_pinned(void* block);
bool is_pinned(const void* place, std::size_t bytes);

}  // namespace simt
