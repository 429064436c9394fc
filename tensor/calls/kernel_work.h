// What a kernel is called, what limits it, and what a call of it needs by its shapes: floating-point operations, and
// bytes that must be read and written once. With the peak rates of a machine the latter say how fast the call could be
// (Williams, Waterman, Patterson: "Roofline: an insightful visual performance model for multicore architectures",
// 2009).
//
// Note: bytes are those of the arguments, each counted once, as if a cache held whatever the kernel meets again; so a
// call that finds its arguments in a cache may well be faster than memory. An exponential, an error function or a
// random number counts as one operation.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "tensor/rows.h"

namespace temper {

enum class KernelClass : std::uint8_t {
  product,    ///< a matrix product: limited by operations
  attention,  ///< the same, at a rate that goes with the length of its sequences
  pass,       ///< all others: limited by memory
};

/// A product or attention rather than a pass.
constexpr bool is_limited_by_operations(KernelClass kind) { return kind != KernelClass::pass; }

struct KernelId {
  std::string_view name;  ///< as profiles show it; static
  KernelClass kind = KernelClass::pass;
};

struct KernelWork {
  double operations = 0.0;
  double bytes = 0.0;
  bool bf16 = false;  ///< the matrices it multiplies are

  KernelWork& operator+=(const KernelWork& other);
};

/// Bytes of a matrix; 0 where there is none.
double bytes_of(ConstRows rows);
/// One pass over matrices that are read or written, so many operations for each element of the first.
KernelWork elementwise_work(std::initializer_list<ConstRows> matrices, double operations_each);
/// The same over arrays of n elements.
KernelWork array_work(std::int64_t n, double bytes_each, double operations_each);

}  // namespace temper
