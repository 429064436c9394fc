#include "data/images/filter_weights.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace temper {
namespace {

double box_shape(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double triangle_shape(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double hamming_shape(double x) {
  if (x == 0.0) return 1.0;
  if (std::abs(x) >= 1.0) return 0.0;
  const double angle = std::abs(x) * std::numbers::pi;
  // Pillow has these two numbers as f32.
  return std::sin(angle) / angle * (static_cast<double>(0.54F) + static_cast<double>(0.46F) * std::cos(angle));
}

/// Keys's cubic convolution (1981) with a = -0.5.
double cubic_shape(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos_shape(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0; }

struct Shape {
  double (*value)(double);
  double reach;
};

Shape shape_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::box:
      return {box_shape, 0.5};
    case ResizeFilter::hamming:
      return {hamming_shape, 1.0};
    case ResizeFilter::bicubic:
      return {cubic_shape, 2.0};
    case ResizeFilter::lanczos:
      return {lanczos_shape, 3.0};
    default:
      return {triangle_shape, 1.0};
  }
}

/// As Pillow divides: the edges are f32, and so is their distance.
double step_of(float from, float to, std::int64_t size) {
  return static_cast<double>(to - from) / static_cast<double>(size);
}

}  // namespace

std::vector<std::int32_t> FilterWeights::fixed_point() const {
  std::vector<std::int32_t> fixed(values.size());
  std::transform(values.begin(), values.end(), fixed.begin(), [](double value) {
    return static_cast<std::int32_t>((value < 0.0 ? -0.5 : 0.5) + value * (1 << kWeightBits));
  });
  return fixed;
}

std::vector<float> FilterWeights::floats() const { return {values.begin(), values.end()}; }

FilterWeights filter_weights(ResizeFilter filter, std::int64_t samples, float from, float to, std::int64_t size,
                             std::int64_t first_output, std::int64_t outputs) {
  const Shape shape = shape_of(filter);
  const double step = step_of(from, to, size);
  // What is made smaller is seen through a filter as wide as an output's pixel: that is the antialiasing.
  const double width = std::max(step, 1.0);
  const double reach = shape.reach * width;
  FilterWeights weights;
  weights.longest = static_cast<std::int64_t>(std::ceil(reach)) * 2 + 1;
  weights.first.resize(static_cast<std::size_t>(outputs));
  weights.counts.resize(static_cast<std::size_t>(outputs));
  weights.values.assign(static_cast<std::size_t>(outputs * weights.longest), 0.0);
  for (std::int64_t i = 0; i < outputs; ++i) {
    const double centre = static_cast<double>(from) + (static_cast<double>(first_output + i) + 0.5) * step;
    const auto begin = std::max(std::int64_t{0}, static_cast<std::int64_t>(centre - reach + 0.5));
    const auto end = std::min(samples, static_cast<std::int64_t>(centre + reach + 0.5));
    double* values = weights.values.data() + i * weights.longest;
    double sum = 0.0;
    for (std::int64_t k = begin; k < end; ++k) {
      const double value = shape.value((static_cast<double>(k) - centre + 0.5) * (1.0 / width));
      values[k - begin] = value;
      sum += value;
    }
    if (sum != 0.0)
      for (std::int64_t k = begin; k < end; ++k) values[k - begin] /= sum;
    weights.first[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(begin);
    weights.counts[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(end - begin);
  }
  return weights;
}

std::vector<std::int64_t> nearest_samples(std::int64_t samples, float from, float to, std::int64_t size,
                                          std::int64_t first_output, std::int64_t outputs) {
  const double step = step_of(from, to, size);
  std::vector<std::int64_t> taken(static_cast<std::size_t>(outputs));
  // Added up, as Pillow does it: a product would round elsewhere.
  double place = static_cast<double>(from) + step * 0.5;
  for (std::int64_t i = 0; i < first_output + outputs; ++i, place += step)
    if (i >= first_output)
      taken[static_cast<std::size_t>(i - first_output)] =
          std::clamp(static_cast<std::int64_t>(place), std::int64_t{0}, samples - 1);
  return taken;
}

}  // namespace temper
