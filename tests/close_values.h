// Values that are nearly those expected, and of as many.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

namespace temper::testing_support {

inline double largest(std::span<const float> values) {
  double most = 0.0;
  for (const float value : values) most = std::max(most, static_cast<double>(std::abs(value)));
  return most;
}

/// |a - b| at most `bound`.
inline void expect_within(std::span<const float> actual, std::span<const float> expected, double bound,
                          const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(actual[i] - expected[i]), bound) << what << " at " << i;
}

/// |a - b| within tolerance, absolute plus relative.
inline void expect_close(std::span<const float> actual, std::span<const float> expected, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(actual[i] - expected[i]), tolerance * (1.0 + std::abs(expected[i]))) << what << " at " << i;
}

}  // namespace temper::testing_support
