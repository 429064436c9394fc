#include "runtime/inputs/class_weights.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/counted.h"
#include "base/error.h"

namespace temper {
namespace {

constexpr const char* kBalanced = "balanced";

bool is_weighted(const TrainSection& train) {
  return train.class_weights == kBalanced || !train.class_weight_values.empty();
}

/// rows / (classes * rows of the class); 1 for a class without rows.
std::vector<double> balanced(const ExampleSource& rows, std::size_t classes) {
  std::vector<double> frequency(classes);
  double counted = 0.0;
  for_each_batch(
      rows,
      [&](const Batch& batch, std::int64_t first) {
        const bool of_tokens = batch.classes.size() == batch.positions.size();
        for (std::int64_t s = 0; s < batch.sequences(); ++s) {
          const auto row = static_cast<std::size_t>(s);
          const auto begin = of_tokens ? static_cast<std::size_t>(batch.sequence_starts[row]) : row;
          const auto end = of_tokens ? static_cast<std::size_t>(batch.sequence_starts[row + 1]) : row + 1;
          const double times = rows.passes(first + s);
          for (std::size_t i = begin; i < std::min(end, batch.classes.size()); ++i) {
            if (batch.classes[i] < 0) continue;
            frequency[static_cast<std::size_t>(batch.classes[i])] += times;
            counted += times;
          }
        }
        return true;
      },
      /*outline=*/true);
  std::vector<double> weights;
  for (const double n : frequency) weights.push_back(n > 0.0 ? counted / (static_cast<double>(classes) * n) : 1.0);
  return weights;
}

}  // namespace

RareLabelAdvice rare_label_advice(const TrainSection& train, LabelKind kind) {
  if (kind == LabelKind::multi_label) return RareLabelAdvice::judge_labels;
  return is_weighted(train) ? RareLabelAdvice::judge_classes : RareLabelAdvice::class_weights;
}

Tensor class_weights(const TrainSection& train, const TaskSpec& task, const ExampleSource& rows, std::size_t classes,
                     Device& device) {
  if (!is_weighted(train)) return {};
  if (task.loss != LossKind::cross_entropy || !has_names(task.labels))
    throw usage_error("train.class_weights applies to classification only, not to {}", task.name);
  const std::vector<double> weights =
      train.class_weights == kBalanced ? balanced(rows, classes) : train.class_weight_values;
  if (weights.size() != classes)
    throw usage_error("train.class_weight_values has {}, but there {} {}", counted(weights.size(), "weight"),
                      plural(classes, "is", "are"), counted(classes, "class", "classes"));
  const std::vector<float> rounded(weights.begin(), weights.end());
  return device.upload(std::span<const float>(rounded), {static_cast<std::int64_t>(classes)});
}

}  // namespace temper
