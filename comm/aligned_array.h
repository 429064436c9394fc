// Private memory of a rank in the arena's layout: whole pages, initially zero, first touched by the thread that writes
// them first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include <sys/mman.h>

#include "base/error.h"

namespace temper {

/// Gives back what map_zeroed() mapped.
struct Unmap {
  std::size_t bytes = 0;
  void operator()(void* block) const { ::munmap(block, bytes); }
};
template <typename T>
using AlignedArray = std::unique_ptr<T, Unmap>;

/// Padding between parameters is never written again and must count as zero. Pages that nobody writes take no memory.
/// Throws Error where the system has none left.
template <typename T = float>
AlignedArray<T> map_zeroed(std::int64_t elements) {
  const std::size_t bytes = static_cast<std::size_t>(std::max<std::int64_t>(elements, 1)) * sizeof(T);
  void* block = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw Error("out of memory: {} bytes for parameters or gradients", bytes);
  return AlignedArray<T>(static_cast<T*>(block), Unmap{bytes});
}

}  // namespace temper
