// Predictions for whole rows.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/tasks/prediction_json.h"

namespace temper {

double rounded_to_six_digits(double value) { return std::round(value * 1e6) / 1e6; }

std::size_t index_of_largest(std::span<const double> values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

std::vector<std::size_t> largest(std::span<const double> values, std::size_t count) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
    return values[a] > values[b] || (values[a] == values[b] && a < b);
  });
  order.erase(end, order.end());
  return order;
}

PredictionJson probabilities_json(const LabelSet& labels, std::span<const double> probabilities, std::int64_t top) {
  PredictionJson json = PredictionJson::object();
  const auto add = [&](std::size_t id) {
    json[labels.name(static_cast<std::int32_t>(id))] = rounded_to_six_digits(probabilities[id]);
  };
  if (top > 0)
    for (const std::size_t id : largest(probabilities, static_cast<std::size_t>(top))) add(id);
  else
    for (std::size_t id = 0; id < probabilities.size(); ++id) add(id);
  return json;
}

void write_class(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, std::int64_t top) {
  const std::vector<double> p = softmax(logits);
  const std::size_t best = index_of_largest(p);
  row["label"] = labels.name(static_cast<std::int32_t>(best));
  row["probability"] = rounded_to_six_digits(p[best]);
  row["probabilities"] = probabilities_json(labels, p, top);
}

void write_label_set(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, double threshold,
                     std::int64_t top) {
  std::vector<double> p;
  for (const float logit : logits) p.push_back(sigmoid(logit));
  row["labels"] = PredictionJson::array();
  for (std::size_t id = 0; id < p.size(); ++id)
    if (p[id] > threshold) row["labels"].push_back(labels.name(static_cast<std::int32_t>(id)));
  row["probabilities"] = probabilities_json(labels, p, top);
}

void write_calibrated(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, bool several,
                      const Calibration& calibration, std::int64_t top) {
  const auto probabilities = [&](double temperature) {
    if (!several) return softmax(logits, temperature);
    std::vector<double> p;
    for (const float logit : logits) p.push_back(sigmoid(logit, temperature));
    return p;
  };
  const std::vector<double> raw = probabilities(1.0);
  const std::vector<double> calibrated = probabilities(calibration.temperature);
  if (!several) row["calibrated_probability"] = rounded_to_six_digits(calibrated[index_of_largest(raw)]);
  row["calibrated_probabilities"] = probabilities_json(labels, calibrated, top);
  row["decisions"] = PredictionJson::object();
  for (std::size_t id = 0; id < raw.size(); ++id) {
    const std::string& name = labels.name(static_cast<std::int32_t>(id));
    if (const ClassThresholds* thresholds = calibration.of(name); thresholds != nullptr)
      row["decisions"][name] = raw[id] >= thresholds->by(calibration.rule);
  }
}

void write_numbers(PredictionJson& row, const LabelSet& labels, std::span<const float> logits) {
  if (labels.size() < 2) {
    row["value"] = logits.front();
    return;
  }
  for (std::size_t i = 0; i < logits.size(); ++i) row["values"][labels.name(static_cast<std::int32_t>(i))] = logits[i];
}

}  // namespace temper
