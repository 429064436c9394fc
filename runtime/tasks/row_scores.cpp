#include "runtime/tasks/row_scores.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "runtime/tasks/row_measures.h"

namespace temper {
namespace {

/// What both kinds of rows have: outputs, and measures of them.
class MeasuredRows {
 public:
  MeasuredRows(const ScoreSettings& settings, bool several)
      : outputs_(settings.rows, settings.outputs, several, settings.groups), positive_(settings.positive) {}

  [[nodiscard]] RowOutputs& outputs() { return outputs_; }
  [[nodiscard]] const RowOutputs& outputs() const { return outputs_; }
  /// Collective.
  void reduce(Communicator& communicator) {
    outputs_.gather(communicator);
    measures_ = row_measures(outputs_, positive_, &communicator);
  }
  void add_to(Metrics& metrics) const {
    for (const auto& measure : measures_.empty() ? row_measures(outputs_, positive_, nullptr) : measures_)
      metrics.values.push_back(measure);
  }

 private:
  RowOutputs outputs_;
  std::int32_t positive_;
  std::vector<std::pair<std::string, double>> measures_;  ///< of all ranks' rows; empty before these are known
};

class RowClassScores final : public Scores {
 public:
  explicit RowClassScores(const ScoreSettings& settings) : rows_(settings, /*several=*/false) {
    counts_.resize(settings.outputs);
  }

  void add(const EvaluatedBatch& batch) override {
    for (std::size_t i = 0; i < batch.classes.size(); ++i) {
      counts_.add(batch.classes[i], batch.predicted_class(i));
      rows_.outputs().put(batch.first_row + static_cast<std::int64_t>(i), batch.outputs_of(i), batch.classes[i]);
    }
  }
  void reduce(Communicator& communicator) override {
    reduce_counts(counts_, communicator);
    rows_.reduce(communicator);
  }
  [[nodiscard]] Metrics metrics(double loss_sum, double loss_weight) const override {
    ClassificationCounts counts = counts_;
    counts.loss_sum = loss_sum;
    counts.loss_weight = loss_weight;
    Metrics metrics = classification_metrics(counts);
    rows_.add_to(metrics);
    return metrics;
  }
  [[nodiscard]] const RowOutputs* outputs() const override { return &rows_.outputs(); }

 private:
  ClassificationCounts counts_;
  MeasuredRows rows_;
};

class LabelSetScores final : public Scores {
 public:
  explicit LabelSetScores(const ScoreSettings& settings) : rows_(settings, /*several=*/true) {
    counts_.resize(settings.outputs);
    counts_.logit_threshold = std::log(settings.threshold / (1.0 - settings.threshold));
  }

  void add(const EvaluatedBatch& batch) override {
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.rows.sequences()); ++i) {
      const auto truths = std::span(batch.rows.targets).subspan(i * batch.columns, batch.columns);
      counts_.add(truths, batch.outputs_of(i));
      rows_.outputs().put(batch.first_row + static_cast<std::int64_t>(i), batch.outputs_of(i), truths);
    }
  }
  void reduce(Communicator& communicator) override {
    reduce_counts(counts_, communicator);
    rows_.reduce(communicator);
  }
  [[nodiscard]] Metrics metrics(double loss_sum, double loss_weight) const override {
    MultiLabelCounts counts = counts_;
    counts.loss_sum = loss_sum;
    counts.loss_weight = loss_weight;
    Metrics metrics = multi_label_metrics(counts);
    rows_.add_to(metrics);
    return metrics;
  }
  [[nodiscard]] const RowOutputs* outputs() const override { return &rows_.outputs(); }

 private:
  MultiLabelCounts counts_;
  MeasuredRows rows_;
};

}  // namespace

std::unique_ptr<Scores> make_row_class_scores(const ScoreSettings& settings) {
  return std::make_unique<RowClassScores>(settings);
}

std::unique_ptr<Scores> make_label_set_scores(const ScoreSettings& settings) {
  return std::make_unique<LabelSetScores>(settings);
}

}  // namespace temper
