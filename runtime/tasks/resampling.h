// How far a measure might be off, since other rows would have given another: the bootstrap (Efron and Tibshirani, "An
// Introduction to the Bootstrap", 1993, section 13.3, the percentile interval). Whole groups are drawn, all rows of a
// patient or none, since rows of one group are more alike than rows of several.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/tasks/metrics.h"

namespace temper {

class Resampling {
 public:
  /// `groups` [rows], or empty: each row is a group of its own.
  Resampling(std::span<const std::int32_t> groups, std::int64_t rows, std::uint64_t seed);

  /// `times` [rows] becomes how often resample `number` takes each row: as many groups as there are, each draw any of
  /// them. A pure function of the seed and the number.
  void draw(std::int64_t number, std::vector<std::uint32_t>& times) const;

  [[nodiscard]] std::int64_t groups() const { return group_count_; }
  /// How many groups have one of these rows: `rows` [rows], those that count are not 0.
  [[nodiscard]] std::int64_t groups_among(std::span<const std::uint8_t> rows) const;

 private:
  std::vector<std::uint32_t> group_of_row_;
  std::int64_t group_count_ = 0;
  std::uint64_t seed_;
};

/// From the 2.5th to the 97.5th percentile of those `values` that are not NaN, between neighbours in proportion, as
/// numpy has it. NaN where there are none.
Interval percentile_interval(std::vector<double> values);

/// Of a proportion that was true of all of so many independent trials, or of none: the exact interval (Clopper and
/// Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934), whose bounds
/// have this closed form at the ends: (0.025)^(1 / trials) and 1 minus that. NaN without trials.
Interval interval_at_end(bool all, std::int64_t trials);

}  // namespace temper
