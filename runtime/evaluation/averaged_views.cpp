#include "runtime/evaluation/averaged_views.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace temper {
namespace {

/// Adds the probabilities of a row's logits to `sum`.
void add_probabilities(std::span<const float> logits, std::span<double> sum) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double total = 0.0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - largest);
  for (std::size_t i = 0; i < logits.size(); ++i) sum[i] += std::exp(static_cast<double>(logits[i]) - largest) / total;
}

}  // namespace

std::vector<float> averaged_views(std::span<const std::vector<float>> views, std::size_t columns, LossKind loss) {
  if (views.size() == 1) return views.front();
  std::vector<double> sum(views.front().size());
  for (const std::vector<float>& view : views)
    for (std::size_t first = 0; first < view.size(); first += columns) {
      const auto row = std::span(view).subspan(first, columns);
      const auto of_row = std::span(sum).subspan(first, columns);
      if (loss == LossKind::cross_entropy) {
        add_probabilities(row, of_row);
        continue;
      }
      for (std::size_t i = 0; i < columns; ++i) {
        const double value = row[i];
        of_row[i] += loss == LossKind::binary_cross_entropy ? 1.0 / (1.0 + std::exp(-value)) : value;
      }
    }
  std::vector<float> averaged;
  averaged.reserve(sum.size());
  for (const double total : sum) {
    const double mean = total / static_cast<double>(views.size());
    if (loss == LossKind::cross_entropy) {
      averaged.push_back(static_cast<float>(std::log(std::max(mean, 1e-38))));
    } else if (loss == LossKind::binary_cross_entropy) {
      const double inside = std::clamp(mean, 1e-38, 1.0 - 1e-16);
      averaged.push_back(static_cast<float>(std::log(inside) - std::log1p(-inside)));
    } else {
      averaged.push_back(static_cast<float>(mean));
    }
  }
  return averaged;
}

}  // namespace temper
