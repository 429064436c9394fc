// Runs the blocks of a grid, one after the other, with all their threads.
#pragma once

#include <cstddef>
#include <functional>

#include "simt/vector_types.h"

namespace simt {

struct Grid {
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes = 0;
};

/// What a device of compute capability 8.0 can start, and the largest shared memory of 9.0.
inline constexpr unsigned kMostThreads = 1024;
inline constexpr std::size_t kMostSharedBytes = 227 * 1024;

/// Aborts where no device could start it.
void check_grid(const Grid& grid);
/// Calls `thread` once for every thread of every block. Blocks and threads begin in ascending order in every other
/// block that the process runs, and in descending order in the rest, so that what depends on their order shows.
void run_grid(const Grid& grid, const std::function<void()>& thread);

/// The running thread's place in its block.
int thread_number();
/// Drops the asynchronous copies that the threads of the last block did not wait for (async_copy.cpp).
void forget_copies();

}  // namespace simt
