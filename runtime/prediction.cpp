#include "runtime/prediction.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "runtime/evaluator.h"
#include "runtime/index_check.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> softmax(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> probabilities;
  double sum = 0.0;
  for (const float logit : logits) sum += probabilities.emplace_back(std::exp(logit - largest));
  for (double& p : probabilities) p /= sum;
  return probabilities;
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// Six digits say all that f32 logits know.
double rounded(double p) { return std::round(p * 1e6) / 1e6; }

std::size_t index_of_largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

std::string label_name(const LabelSet& labels, std::size_t id) { return labels.name(static_cast<std::int32_t>(id)); }

void add_class(Json& row, const LabelSet& labels, std::span<const float> logits) {
  const std::vector<double> p = softmax(logits);
  const std::size_t best = index_of_largest(p);
  row["label"] = label_name(labels, best);
  row["probability"] = rounded(p[best]);
  for (std::size_t i = 0; i < p.size(); ++i) row["probabilities"][label_name(labels, i)] = rounded(p[i]);
}

void add_label_set(Json& row, const LabelSet& labels, std::span<const float> logits) {
  row["labels"] = Json::array();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = sigmoid(logits[i]);
    if (p > 0.5) row["labels"].push_back(label_name(labels, i));
    row["probabilities"][label_name(labels, i)] = rounded(p);
  }
}

void add_tokens(Json& row, const FittedModel& fitted, std::span<const std::int32_t> ids,
                std::span<const float> logits) {
  const std::size_t outputs = logits.size() / ids.size();
  row["tokens"] = Json::array();
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (fitted.tokenizer().is_special(ids[t])) continue;
    const std::vector<double> p = softmax(logits.subspan(t * outputs, outputs));
    const std::size_t best = index_of_largest(p);
    row["tokens"].push_back({{"token", fitted.tokenizer().token(ids[t])},
                             {"label", label_name(fitted.labels(), best)},
                             {"probability", rounded(p[best])}});
  }
}

void add_masks(Json& row, const FittedModel& fitted, std::int32_t mask, std::span<const std::int32_t> ids,
               std::span<const float> logits) {
  constexpr std::size_t kShown = 5;
  const std::size_t outputs = logits.size() / ids.size();
  row["masks"] = Json::array();
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] != mask) continue;
    const std::vector<double> p = softmax(logits.subspan(t * outputs, outputs));
    std::vector<std::size_t> order(p.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::size_t shown = std::min(kShown, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                      [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
    Json candidates = Json::array();
    for (std::size_t i = 0; i < shown; ++i)
      candidates.push_back({{"token", fitted.tokenizer().token(static_cast<std::int32_t>(order[i]))},
                            {"probability", rounded(p[order[i]])}});
    row["masks"].push_back(candidates);
  }
}

}  // namespace

std::string predict_lines(FittedModel& fitted, const Table& table, const TableUse& use, int threads, Device& device,
                          std::int64_t begin, std::int64_t end) {
  const ColumnChoice columns{use.text, use.text_pair, ""};
  const TokenizeOptions options{static_cast<std::size_t>(fitted.max_length(use.max_length)), threads, LabelKind::none};
  const Dataset rows = tokenize_rows(table, columns, fitted.tokenizer(), fitted.labels(), options, begin, end);
  require_indices(rows, index_limits(fitted.config(), fitted.task(), fitted.outputs()), table.path.string());
  const std::size_t text_column = column_index(table, use.text);
  std::int32_t mask = -1;
  if (fitted.task() == Task::masked_lm) mask = MaskingPlan(fitted.tokenizer(), fitted.config(), 0).vocabulary.mask_id;
  std::string lines;
  predict(fitted.model(), device, rows, fitted.task(), DType::f32, 0, rows.rows(), use.batch_size,
          [&](std::int64_t row, std::span<const float> logits) {
            const auto first = static_cast<std::size_t>(rows.starts[static_cast<std::size_t>(row)]);
            const auto ids = std::span(rows.ids).subspan(first, static_cast<std::size_t>(rows.length(row)));
            Json json;
            json["text"] = table.rows[static_cast<std::size_t>(begin + row)][text_column];
            switch (fitted.task()) {
              case Task::sequence_classification:
                add_class(json, fitted.labels(), logits);
                break;
              case Task::multi_label:
                add_label_set(json, fitted.labels(), logits);
                break;
              case Task::regression:
                json["value"] = logits.front();
                break;
              case Task::token_classification:
                add_tokens(json, fitted, ids, logits);
                break;
              case Task::masked_lm:
                add_masks(json, fitted, mask, ids, logits);
                break;
            }
            lines += json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
          });
  return lines;
}

}  // namespace temper
