#include "runtime/tasks/probabilities.h"

#include <algorithm>

namespace temper {

std::vector<double> softmax(std::span<const float> logits, double temperature) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> probabilities;
  probabilities.reserve(logits.size());
  double sum = 0.0;
  for (const float logit : logits) sum += probabilities.emplace_back(std::exp((logit - largest) / temperature));
  for (double& p : probabilities) p /= sum;
  return probabilities;
}

}  // namespace temper
