#include "runtime/tasks/resampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/counter_random.h"

namespace temper {
namespace {

/// Apart from what else the seed is used for.
constexpr std::uint64_t kResamplingPurpose = 0x7265'7361'6d70'6c65;

double percentile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Resampling::Resampling(std::span<const std::int32_t> groups, std::int64_t rows, std::uint64_t seed) : seed_(seed) {
  group_of_row_.reserve(static_cast<std::size_t>(rows));
  // Numbers of groups may have gaps: these rows are some of a larger table.
  std::unordered_map<std::int32_t, std::uint32_t> known;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (groups.empty()) {
      group_of_row_.push_back(static_cast<std::uint32_t>(row));
    } else {
      const auto next = static_cast<std::uint32_t>(known.size());
      group_of_row_.push_back(known.emplace(groups[static_cast<std::size_t>(row)], next).first->second);
    }
  }
  group_count_ = groups.empty() ? rows : static_cast<std::int64_t>(known.size());
}

void Resampling::draw(std::int64_t number, std::vector<std::uint32_t>& times) const {
  std::vector<std::uint32_t> drawn(static_cast<std::size_t>(group_count_), 0U);
  CounterRandom random{seed_, kResamplingPurpose, static_cast<std::uint64_t>(number)};
  for (std::int64_t i = 0; i < group_count_; ++i) ++drawn[random.below(static_cast<std::uint64_t>(group_count_))];
  times.resize(group_of_row_.size());
  for (std::size_t row = 0; row < times.size(); ++row) times[row] = drawn[group_of_row_[row]];
}

std::int64_t Resampling::groups_among(std::span<const std::uint8_t> rows) const {
  std::vector<std::uint8_t> known(static_cast<std::size_t>(group_count_), 0);
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (rows[row] != 0) known[group_of_row_[row]] = 1;
  return std::count(known.begin(), known.end(), 1);
}

Interval interval_at_end(bool all, std::int64_t trials) {
  if (trials <= 0) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  const double bound = std::pow(0.025, 1.0 / static_cast<double>(trials));
  return all ? Interval{bound, 1.0} : Interval{0.0, 1.0 - bound};
}

Interval percentile_interval(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  std::sort(values.begin(), values.end());
  return {percentile(values, 0.025), percentile(values, 0.975)};
}

}  // namespace temper
