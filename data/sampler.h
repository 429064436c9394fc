// Which rows make which batch, and which grain of a batch a row belongs to. Pure functions: the same on any number of
// ranks, and at any time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace temper {

/// Steps in which each row is used once; the last batch may be smaller. Throws Error unless batch_size > 0.
std::int64_t steps_per_epoch(std::int64_t rows, std::int64_t batch_size);

/// Throws Error where there are more rows than a batch can name with 32 bits.
void require_nameable(std::int64_t rows);

/// The order in which an epoch takes rows 0 to rows - 1: their own, or where `shuffle` is set a permutation, each
/// equally likely (Fisher-Yates; Knuth, The Art of Computer Programming, volume 2, 3.4.2). Throws as require_nameable.
std::vector<std::uint32_t> epoch_order(std::int64_t rows, std::uint64_t seed, std::int64_t epoch, bool shuffle);

struct GrainAssignment {
  std::vector<std::vector<std::int64_t>> rows;  ///< [grains] rows of each, in the order of the batch
};

/// Distributes the rows of a batch to grains so that all have about the same number of tokens: the longest row first,
/// each to the grain with the fewest so far (Graham, "Bounds on multiprocessing timing anomalies", 1969). A row costs
/// its tokens and a constant. Where there are fewer rows than grains, some grains have none. `batch_rows`: rows of the
/// data set; `lengths`: tokens of each of them.
GrainAssignment assign_grains(std::span<const std::int64_t> batch_rows, std::span<const std::int64_t> lengths,
                              int grains);

}  // namespace temper
