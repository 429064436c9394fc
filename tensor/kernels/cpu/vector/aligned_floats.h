// Memory of kernels' own, beside what calls bring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "hwy/aligned_allocator.h"

namespace temper {

/// Floats that begin at a vector's border, not set. Throws std::bad_alloc where there is no memory for them.
inline hwy::AlignedFreeUniquePtr<float[]> aligned_floats(std::int64_t count) {
  hwy::AlignedFreeUniquePtr<float[]> floats = hwy::AllocateAligned<float>(static_cast<std::size_t>(count));
  if (floats == nullptr) throw std::bad_alloc();
  return floats;
}

}  // namespace temper
