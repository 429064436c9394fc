#include "runtime/explaining/relevance_map.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace temper {
namespace {

/// Two neighbours along one side, and what the second counts.
struct Neighbours {
  std::int64_t first;
  std::int64_t second;
  double weight;
};

Neighbours neighbours(double place, std::int64_t cells) {
  const double at = std::clamp(place * static_cast<double>(cells) - 0.5, 0.0, static_cast<double>(cells - 1));
  const auto first = static_cast<std::int64_t>(std::floor(at));
  return {first, std::min(first + 1, cells - 1), at - static_cast<double>(first)};
}

}  // namespace

double RelevanceMap::largest() const { return values.empty() ? 0.0 : *std::max_element(values.begin(), values.end()); }

double RelevanceMap::mean() const {
  return values.empty() ? 0.0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double RelevanceMap::at(double y, double x) const {
  const Neighbours down = neighbours(y, grid.height);
  const Neighbours across = neighbours(x, grid.width);
  const auto along = [&](std::int64_t row) {
    const double* line = values.data() + row * grid.width;
    return line[across.first] + across.weight * (line[across.second] - line[across.first]);
  };
  const double upper = along(down.first);
  return upper + down.weight * (along(down.second) - upper);
}

std::vector<double> RelevanceMap::resized(ImageExtent extent) const {
  std::vector<double> made;
  made.reserve(static_cast<std::size_t>(extent.pixels()));
  for (std::int64_t row = 0; row < extent.height; ++row)
    for (std::int64_t column = 0; column < extent.width; ++column)
      made.push_back(at((static_cast<double>(row) + 0.5) / static_cast<double>(extent.height),
                        (static_cast<double>(column) + 0.5) / static_cast<double>(extent.width)));
  return made;
}

}  // namespace temper
