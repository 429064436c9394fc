// What each sample counts for each sample of a resized line or column, as Pillow computes it (its Resample.c).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/images/resize.h"

namespace temper {

/// Of the outputs [first_output, first_output + outputs) of a line of `size` that is made of `from` to `to` of another
/// one, whose samples are numbered 0 to samples - 1.
struct FilterWeights {
  std::int64_t longest = 0;          ///< taps of the widest output
  std::vector<std::int32_t> first;   ///< [outputs] the first sample that counts
  std::vector<std::int32_t> counts;  ///< [outputs] how many count from there on
  std::vector<double> values;        ///< [outputs, longest] they sum to 1; zeros behind those that count

  [[nodiscard]] std::int64_t outputs() const { return static_cast<std::int64_t>(first.size()); }
  /// The samples that any output counts: from `begin()` to before `end()`.
  [[nodiscard]] std::int64_t begin() const { return first.front(); }
  [[nodiscard]] std::int64_t end() const { return first.back() + counts.back(); }
  /// Fixed-point numbers of kWeightBits bits behind the point, rounded away from zero at a half.
  [[nodiscard]] std::vector<std::int32_t> fixed_point() const;
  [[nodiscard]] std::vector<float> floats() const;
};

/// Bits behind the point of weights of 8-bit samples: a sum of 32 bits has 8 for the sample and 2 for filters that
/// swing over.
inline constexpr int kWeightBits = 32 - 8 - 2;

/// `filter` is none but nearest.
FilterWeights filter_weights(ResizeFilter filter, std::int64_t samples, float from, float to, std::int64_t size,
                             std::int64_t first_output, std::int64_t outputs);

/// Which sample each output takes with ResizeFilter::nearest.
std::vector<std::int64_t> nearest_samples(std::int64_t samples, float from, float to, std::int64_t size,
                                          std::int64_t first_output, std::int64_t outputs);

}  // namespace temper
