#include "data/mixture.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "base/counted.h"
#include "base/counter_random.h"
#include "base/error.h"
#include "data/sampler.h"

namespace temper {
namespace {

/// Keep these apart from other random numbers of the same seed.
constexpr std::uint64_t kSeedPurpose = 3;
constexpr std::uint64_t kPlacesPurpose = 4;
/// Of an epoch.
constexpr double kMostRows = std::numeric_limits<std::uint32_t>::max();

/// Each source is shuffled by a seed of its own; the first by the run's, as it would be alone.
std::uint64_t seed_of_part(std::uint64_t seed, std::size_t part) {
  return part == 0 ? seed : CounterRandom({seed, kSeedPurpose, part}).next();
}

}  // namespace

Mixture::Mixture(std::vector<WeightedSource> parts) : parts_(std::move(parts)), first_row_{0} {
  if (parts_.empty()) throw Error("a mixture of no sources was asked for, expected at least one");
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const auto& [source, weight] = parts_[i];
    if (source->rows() == 0) throw Error("source {} of a mixture has no rows; leave it out", i + 1);
    if (!(weight > 0.0) || !std::isfinite(weight))
      throw Error("source {} of a mixture has the weight {}, expected a number above 0", i + 1, weight);
    if (source->target_width() != target_width())
      throw Error("source {} of a mixture has {} targets per row, the first has {}; all need the same", i + 1,
                  source->target_width(), target_width());
    first_row_.push_back(first_row_.back() + source->rows());
    // At least one, or a small weight would mean a source that never comes.
    const double share = static_cast<double>(parts_.front().source->rows()) * (weight / parts_.front().weight);
    if (!(share + static_cast<double>(epoch_rows_) <= kMostRows))
      throw Error(
          "source {} of a mixture has the weight {} and the first has {}, so an epoch of the {} of the first has "
          "{:.3g} rows and more, expected 4294967295 at most; give them weights that differ less",
          i + 1, weight, parts_.front().weight, counted(parts_.front().source->rows(), "row"),
          share + static_cast<double>(epoch_rows_));
    taken_.push_back(i == 0 ? source->rows() : std::max<std::int64_t>(1, std::llround(share)));
    epoch_rows_ += taken_.back();
  }
}

std::size_t Mixture::part_of(std::int64_t row) const {
  return static_cast<std::size_t>(std::upper_bound(first_row_.begin(), first_row_.end(), row) - first_row_.begin()) - 1;
}

std::int64_t Mixture::cost(std::int64_t row) const {
  const std::size_t part = part_of(row);
  return parts_[part].source->cost(row - first_row_[part]);
}

double Mixture::passes(std::int64_t row) const {
  const std::size_t part = part_of(row);
  return static_cast<double>(taken_[part]) / static_cast<double>(parts_[part].source->rows());
}

void Mixture::append(std::int64_t row, std::uint32_t example, Batch& batch) const {
  const std::size_t part = part_of(row);
  parts_[part].source->append(row - first_row_[part], example, batch);
}

std::vector<std::uint32_t> Mixture::order_of(std::uint64_t seed, std::int64_t epoch, bool shuffle) const {
  require_nameable(rows());
  // Which source each position takes from: as often as it should, evenly spread, or in any order.
  std::vector<std::uint32_t> parts(static_cast<std::size_t>(epoch_rows_));
  std::vector<std::int64_t> given(parts_.size());
  for (std::int64_t position = 0; position < epoch_rows_; ++position) {
    std::size_t next = 0;
    for (std::size_t i = 1; i < parts_.size(); ++i)
      if ((given[i] + 1) * taken_[next] < (given[next] + 1) * taken_[i]) next = i;
    ++given[next];
    parts[static_cast<std::size_t>(position)] = static_cast<std::uint32_t>(next);
  }
  if (shuffle && parts_.size() > 1) {
    CounterRandom random({seed, kPlacesPurpose, static_cast<std::uint64_t>(epoch)});
    for (std::size_t i = parts.size(); i > 1; --i) std::swap(parts[i - 1], parts[random.below(i)]);
  }
  std::vector<std::uint32_t> order(parts.size());
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    const std::int64_t rows = parts_[part].source->rows();
    std::int64_t next = epoch * taken_[part];
    std::int64_t pass = -1;
    std::vector<std::uint32_t> of_pass;
    for (std::size_t position = 0; position < parts.size(); ++position) {
      if (parts[position] != part) continue;
      if (next / rows != pass) {
        pass = next / rows;
        of_pass = epoch_order(rows, seed_of_part(seed, part), pass, shuffle);
      }
      order[position] = static_cast<std::uint32_t>(first_row_[part]) + of_pass[static_cast<std::size_t>(next % rows)];
      ++next;
    }
  }
  return order;
}

}  // namespace temper
