#include "runtime/inputs/class_weights.h"

#include <span>
#include <vector>

#include "base/counted.h"
#include "base/error.h"

namespace temper {
namespace {

/// rows / (classes * rows of the class); 1 for a class without rows.
std::vector<double> balanced(const TokenStore& rows, std::size_t classes) {
  std::vector<double> frequency(classes);
  double counted = 0.0;
  rows.scan(rows.classes(), [&](std::span<const std::int32_t> piece, std::size_t) {
    for (const std::int32_t label : piece) {
      if (label < 0) continue;
      frequency[static_cast<std::size_t>(label)] += 1.0;
      counted += 1.0;
    }
    return true;
  });
  std::vector<double> weights;
  for (const double n : frequency) weights.push_back(n > 0.0 ? counted / (static_cast<double>(classes) * n) : 1.0);
  return weights;
}

}  // namespace

Tensor class_weights(const TrainSection& train, const TaskSpec& task, const TokenStore& rows, std::size_t classes,
                     Device& device) {
  const bool by_frequency = train.class_weights == "balanced";
  if (!by_frequency && train.class_weight_values.empty()) return {};
  if (task.loss != LossKind::cross_entropy || !has_names(task.labels))
    throw usage_error("train.class_weights applies to classification only, not to {}", task.name);
  const std::vector<double> weights = by_frequency ? balanced(rows, classes) : train.class_weight_values;
  if (weights.size() != classes)
    throw usage_error("train.class_weight_values has {}, but there {} {}", counted(weights.size(), "weight"),
                      plural(classes, "is", "are"), counted(classes, "class", "classes"));
  const std::vector<float> rounded(weights.begin(), weights.end());
  return device.upload(std::span<const float>(rounded), {static_cast<std::int64_t>(classes)});
}

}  // namespace temper
