// Which rows make which batch, and which grain of a batch a row belongs to. Pure functions: the same on any number of
// ranks, and at any time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace temper {

/// Steps in which each row is used once; the last batch may be smaller. Throws Error unless batch_size > 0.
std::int64_t steps_per_epoch(std::int64_t rows, std::int64_t batch_size);

/// The order in which an epoch takes rows 0 to rows - 1: their own, or where `shuffle` is set a permutation, each
/// equally likely (Fisher-Yates; Knuth, The Art of Computer Programming, volume 2, 3.4.2).
std::vector<std::int64_t> epoch_order(std::int64_t rows, std::uint64_t seed, std::int64_t epoch, bool shuffle);

struct GrainAssignment {
  std::vector<std::vector<std::int64_t>> rows;  ///< [grains] rows of each, in the order of the batch
};

/// Shares the rows of a batch out to grains so that all have about equally many tokens: the longest row first, each to
/// the grain with the least so far (Graham, "Bounds on multiprocessing timing anomalies", 1969). A row costs its
/// tokens and a constant. Where there are fewer rows than grains, some grains have none.
/// `batch_rows`: rows of the dataset; `lengths` [rows of the dataset]: tokens of each.
GrainAssignment assign_grains(std::span<const std::int64_t> batch_rows, std::span<const std::int64_t> lengths,
                              int grains);

}  // namespace temper
