#include "data/sampler.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <queue>
#include <utility>

#include "base/counter_random.h"
#include "base/error.h"

namespace temper {
namespace {

/// Keeps shuffles apart from other random numbers of the same seed.
constexpr std::uint64_t kShufflePurpose = 1;

/// What a row costs beyond its tokens: head, loss, and the smaller matrix products of a short sequence.
constexpr std::int64_t kTokensPerRow = 8;

}  // namespace

std::int64_t steps_per_epoch(std::int64_t rows, std::int64_t batch_size) {
  if (batch_size <= 0) throw Error("the batch size is {}, expected at least 1", batch_size);
  return rows / batch_size + (rows % batch_size != 0 ? 1 : 0);
}

void require_nameable(std::int64_t rows) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (rows > kMost) throw Error("the data set has {} rows, at most {} can be named in a batch", rows, kMost);
}

std::vector<std::uint32_t> epoch_order(std::int64_t rows, std::uint64_t seed, std::int64_t epoch, bool shuffle) {
  require_nameable(rows);
  std::vector<std::uint32_t> order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  if (!shuffle) return order;
  CounterRandom random({seed, kShufflePurpose, static_cast<std::uint64_t>(epoch)});
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

GrainAssignment assign_grains(std::span<const std::int64_t> batch_rows, std::span<const std::int64_t> lengths,
                              int grains) {
  if (grains < 1) throw Error("the number of grains is {}, expected at least 1", grains);
  std::vector<std::size_t> longest_first(batch_rows.size());
  std::iota(longest_first.begin(), longest_first.end(), std::size_t{0});
  // Stable, so that of equally long rows the earlier is placed first on every machine.
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });

  using Load = std::pair<std::int64_t, std::size_t>;  // and the grain, the lower of equally loaded ones first
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (std::size_t grain = 0; std::cmp_less(grain, grains); ++grain) least.emplace(0, grain);
  std::vector<std::size_t> grain_of(batch_rows.size());
  for (const std::size_t place : longest_first) {
    const auto [load, grain] = least.top();
    least.pop();
    grain_of[place] = grain;
    least.emplace(load + lengths[place] + kTokensPerRow, grain);
  }

  GrainAssignment assignment;
  assignment.rows.resize(static_cast<std::size_t>(grains));
  for (std::size_t place = 0; place < batch_rows.size(); ++place)
    assignment.rows[grain_of[place]].push_back(batch_rows[place]);
  return assignment;
}

}  // namespace temper
