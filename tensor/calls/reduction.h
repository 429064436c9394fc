// Sums over arrays of f32.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/calls/kernel_work.h"

namespace temper {

/// A step of a sum in postfix notation: the next input, or the sum of the two topmost in their place.
enum class TreeStep : std::uint8_t { input, sum };

namespace calls {

/// out = a + b; out may be a or b.
struct Add {
  static constexpr KernelId kKernel{"add", KernelClass::pass};
  const float* a;
  const float* b;
  float* out;
  std::int64_t n;
  [[nodiscard]] KernelWork work() const { return work_of(n); }
  [[nodiscard]] static KernelWork work_of(std::int64_t n);
};

/// out [n] = the inputs [n] each, added in the order that `postfix` says. out may be an input. At no time are more than
/// kMostDepth sums open. The spans are the host's; the inputs are the device's.
struct AddTree {
  static constexpr KernelId kKernel{"add_tree", KernelClass::pass};
  static constexpr int kMostDepth = 33;
  std::span<const float* const> inputs;
  std::span<const TreeStep> postfix;
  float* out;
  std::int64_t n;
  [[nodiscard]] KernelWork work() const;
};

/// sums[i] = the sum of squares of x[i * chunk, (i + 1) * chunk), accumulated in double, for i < chunks.
struct ChunkSquareSums {
  static constexpr KernelId kKernel{"chunk_square_sums", KernelClass::pass};
  const float* x;
  std::int64_t chunk;
  std::int64_t chunks;
  double* sums;
  [[nodiscard]] KernelWork work() const { return work_of(chunk * chunks); }
  [[nodiscard]] static KernelWork work_of(std::int64_t n);
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_REDUCTION_CALLS(EACH) EACH(Add) EACH(AddTree) EACH(ChunkSquareSums)
