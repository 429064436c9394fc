// OpenMP inside a rank. Work is cut only where a thread's part outweighs the cost of waking it; with one thread, or
// inside somebody else's parallel region, the body runs in place and OpenMP is not entered.
//
// The parallel regions are kept out of the vector code on purpose: not every compiler hands the instruction set of a
// function on to the region that it outlines from it.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace temper {

/// What one thread should have to do at least, in elements read or written once.
inline constexpr std::int64_t kElementsPerThread = 1 << 15;

/// The same of a matrix product, in multiplications.
inline constexpr std::int64_t kMultiplicationsPerThread = 1 << 21;

/// Threads that are worth waking for `work`, of which one thread should have at least `least`.
inline int worthwhile_threads(std::int64_t work, std::int64_t least) {
  if (work < 2 * least) {
    return 1;
  }
  const int available = omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
  return static_cast<int>(std::min<std::int64_t>(available, work / least));
}

/// Calls body(member, members) once on each of at most `threads` threads. The body must not throw.
template <typename Body>
void parallel_team(int threads, const Body& body) {
  if (threads <= 1) {
    body(0, 1);
    return;
  }
#pragma omp parallel num_threads(threads)
  body(omp_get_thread_num(), omp_get_num_threads());
}

/// Calls body(begin, end) on consecutive parts of [0, items), each item being `work` elements. Parts begin at
/// multiples of `granule`. What a body writes must not depend on how the parts were cut; it must not throw.
template <typename Body>
void parallel_ranges(std::int64_t items, std::int64_t work, const Body& body, std::int64_t granule = 1) {
  if (items <= 0) {
    return;
  }
  const std::int64_t granules = (items + granule - 1) / granule;
  const int threads =
      static_cast<int>(std::min<std::int64_t>(granules, worthwhile_threads(items * work, kElementsPerThread)));
  parallel_team(threads, [&](std::int64_t member, std::int64_t members) {
    const std::int64_t begin = granules * member / members * granule;
    const std::int64_t end = std::min(items, granules * (member + 1) / members * granule);
    if (begin < end) {
      body(begin, end);
    }
  });
}

/// For slices of single elements: a part begins on a cache line of its own, and where a vector would have begun in one
/// part alone.
inline constexpr std::int64_t kSliceGranule = 64;

/// Where a part of an array begins that may be absent.
template <typename T>
T* part_of(T* values, std::int64_t begin) {
  return values == nullptr ? nullptr : values + begin;
}

}  // namespace temper
