#include "model/layers/rotary_angles.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace temper {
namespace {

std::int64_t pairs_in(std::int64_t columns) { return (columns + 1) / 2; }

/// theta^(2 i / columns), what frequencies are the inverse of.
float power_of(double theta, std::int64_t pair, std::int64_t columns) {
  const float exponent = static_cast<float>(2 * pair) / static_cast<float>(columns);
  return static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
}

void scale_as_llama3(const RotaryScaling& scaling, std::vector<float>& frequencies) {
  const auto original = static_cast<double>(scaling.original_length);
  const auto longest_kept = static_cast<float>(original / scaling.high_frequency_factor);
  const auto shortest_divided = static_cast<float>(original / scaling.low_frequency_factor);
  const auto low = static_cast<float>(scaling.low_frequency_factor);
  const auto range = static_cast<float>(scaling.high_frequency_factor - scaling.low_frequency_factor);
  const auto factor = static_cast<float>(scaling.factor);
  for (float& frequency : frequencies) {
    const float wavelength = static_cast<float>(2.0 * std::numbers::pi) / frequency;
    if (wavelength < longest_kept) continue;
    if (wavelength > shortest_divided) {
      frequency /= factor;
      continue;
    }
    const float smooth = (static_cast<float>(original) / wavelength - low) / range;
    frequency = (1.0F - smooth) * frequency / factor + smooth * frequency;
  }
}

/// The column, not rounded, whose pair makes so many turns within the original length.
double column_of_turns(const RotaryScaling& scaling, double turns, std::int64_t columns) {
  const double radians = turns * 2.0 * std::numbers::pi;
  return static_cast<double>(columns) * std::log(static_cast<double>(scaling.original_length) / radians) /
         (2.0 * std::log(scaling.theta));
}

std::vector<float> yarn_frequencies(const RotaryScaling& scaling, std::int64_t columns) {
  double low = column_of_turns(scaling, scaling.beta_fast, columns);
  double high = column_of_turns(scaling, scaling.beta_slow, columns);
  if (scaling.truncates) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(columns - 1));
  if (low == high) high += 0.001;
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < pairs_in(columns); ++i) {
    const float power = power_of(scaling.theta, i, columns);
    const float kept = 1.0F / power;
    const float divided = 1.0F / (static_cast<float>(scaling.factor) * power);
    const float ramp = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float share = 1.0F - std::clamp(ramp, 0.0F, 1.0F);
    frequencies.push_back(divided * (1.0F - share) + kept * share);
  }
  return frequencies;
}

double yarn_magnitude(double factor, double scale) {
  return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const RotaryScaling& scaling) {
  if (scaling.attention_factor) return *scaling.attention_factor;
  if (scaling.magnitude_scale != 0.0 && scaling.magnitude_scale_of_all != 0.0)
    return yarn_magnitude(scaling.factor, scaling.magnitude_scale) /
           yarn_magnitude(scaling.factor, scaling.magnitude_scale_of_all);
  return yarn_magnitude(scaling.factor, 1.0);
}

std::vector<float> divided_frequencies(const RotaryScaling& scaling, const std::vector<double>& divisors,
                                       std::int64_t columns) {
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < pairs_in(columns); ++i) {
    const auto divisor = static_cast<float>(divisors.at(static_cast<std::size_t>(i)));
    frequencies.push_back(1.0F / (divisor * power_of(scaling.theta, i, columns)));
  }
  return frequencies;
}

double longrope_attention_factor(const RotaryScaling& scaling) {
  if (scaling.attention_factor) return *scaling.attention_factor;
  if (scaling.factor <= 1.0) return 1.0;
  return std::sqrt(1.0 + std::log(scaling.factor) / std::log(static_cast<double>(scaling.original_length)));
}

}  // namespace

RotaryAngles rotary_angles(double theta, std::int64_t columns, RotaryPairs layout) {
  RotaryAngles angles;
  angles.layout = layout;
  for (std::int64_t i = 0; i < pairs_in(columns); ++i) angles.frequencies.push_back(1.0F / power_of(theta, i, columns));
  return angles;
}

RotaryAngles rotary_angles(const RotaryScaling& scaling, std::int64_t columns, RotaryPairs layout) {
  RotaryAngles angles = rotary_angles(scaling.theta, columns, layout);
  switch (scaling.kind) {
    case RotaryScalingKind::none:
      break;
    case RotaryScalingKind::linear:
      for (float& frequency : angles.frequencies) frequency /= static_cast<float>(scaling.factor);
      break;
    case RotaryScalingKind::dynamic:
      angles.usual_length = scaling.original_length;
      angles.long_frequencies = angles.frequencies;
      angles.growth = static_cast<float>(scaling.factor);
      break;
    case RotaryScalingKind::llama3:
      scale_as_llama3(scaling, angles.frequencies);
      break;
    case RotaryScalingKind::yarn:
      angles.frequencies = yarn_frequencies(scaling, columns);
      angles.scale = static_cast<float>(yarn_attention_factor(scaling));
      break;
    case RotaryScalingKind::longrope:
      angles.frequencies = divided_frequencies(scaling, scaling.short_factors, columns);
      angles.usual_length = scaling.original_length;
      angles.long_frequencies = divided_frequencies(scaling, scaling.long_factors, columns);
      angles.scale = static_cast<float>(longrope_attention_factor(scaling));
      break;
  }
  return angles;
}

std::string RotaryScaling::definition() const {
  if (kind == RotaryScalingKind::none) return fmt::format("theta {}", theta);
  return fmt::format("theta {} scaled by way {}, {} from {}, {} to {}, {} to {} {}, {} {}, by {} {}, times {}", theta,
                     static_cast<int>(kind), factor, original_length, low_frequency_factor, high_frequency_factor,
                     beta_fast, beta_slow, truncates, magnitude_scale, magnitude_scale_of_all,
                     fmt::join(short_factors, " "), fmt::join(long_factors, " "), attention_factor.value_or(-1.0));
}

}  // namespace temper
