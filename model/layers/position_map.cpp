#include "model/layers/position_map.h"

#include <algorithm>
#include <cmath>

namespace temper {
namespace {

/// The kernel of cubic convolution.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
  return 0.0;
}

/// Adds to what the row has of a source already.
void add_to(MixedRow& row, std::int64_t source, double weight) {
  const auto found = std::find(row.sources.begin(), row.sources.end(), static_cast<std::int32_t>(source));
  if (found == row.sources.end()) {
    row.add(source, static_cast<float>(weight));
  } else {
    row.weights[static_cast<std::size_t>(found - row.sources.begin())] += static_cast<float>(weight);
  }
}

/// Beyond the ends stands what is there.
MixedRow four_neighbours(std::int64_t from, double scale, std::int64_t place) {
  constexpr double kSharpness = -0.75;
  const double at = scale * (static_cast<double>(place) + 0.5) - 0.5;
  const double floor = std::floor(at);
  MixedRow row;
  for (std::int64_t step = -1; step <= 2; ++step) {
    const double weight = cubic(at - floor - static_cast<double>(step), kSharpness);
    if (weight == 0.0) continue;
    add_to(row, std::clamp<std::int64_t>(static_cast<std::int64_t>(floor) + step, 0, from - 1), weight);
  }
  return row;
}

/// What lies beyond the ends is left out, and the rest weighs more.
MixedRow neighbours_by_scale(std::int64_t from, double scale, std::int64_t place) {
  constexpr double kSharpness = -0.5;
  const double stretch = std::max(scale, 1.0);
  const double support = 2.0 * stretch;
  const double centre = scale * (static_cast<double>(place) + 0.5);
  const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0);
  const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(centre + support + 0.5), from);
  std::vector<double> weights;
  double total = 0.0;
  for (std::int64_t source = first; source < end; ++source) {
    weights.push_back(cubic((static_cast<double>(source) - centre + 0.5) / stretch, kSharpness));
    total += weights.back();
  }
  MixedRow row;
  for (std::int64_t source = first; source < end; ++source) {
    const double weight = weights[static_cast<std::size_t>(source - first)] / total;
    if (weight != 0.0) row.add(source, static_cast<float>(weight));
  }
  return row;
}

}  // namespace

std::vector<MixedRow> resized_side(std::int64_t from, std::int64_t to, Resampling resampling) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<MixedRow> rows;
  for (std::int64_t place = 0; place < to; ++place)
    rows.push_back(resampling == Resampling::bicubic ? four_neighbours(from, scale, place)
                                                     : neighbours_by_scale(from, scale, place));
  return rows;
}

std::vector<MixedRow> resized_grid(ImageExtent from, ImageExtent to, Resampling resampling) {
  const std::vector<MixedRow> lines = resized_side(from.height, to.height, resampling);
  const std::vector<MixedRow> columns = resized_side(from.width, to.width, resampling);
  std::vector<MixedRow> grid;
  for (const MixedRow& line : lines)
    for (const MixedRow& column : columns) {
      MixedRow& place = grid.emplace_back();
      for (std::size_t i = 0; i < line.sources.size(); ++i)
        for (std::size_t j = 0; j < column.sources.size(); ++j)
          place.add(line.sources[i] * from.width + column.sources[j], line.weights[i] * column.weights[j]);
    }
  return grid;
}

}  // namespace temper
