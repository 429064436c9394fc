#include "runtime/tasks/scores.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "data/token_rows.h"

namespace temper {
namespace {

/// Of words and tokens.
class ClassScores final : public Scores {
 public:
  explicit ClassScores(const ScoreSettings& settings) : labels_(settings.entities) {
    counts_.resize(settings.outputs);
    if (labels_ != nullptr) entities_.resize(labels_->types().size());
  }

  void add(const EvaluatedBatch& batch) override {
    for (std::size_t i = 0; i < batch.classes.size(); ++i) counts_.add(batch.classes[i], batch.predicted_class(i));
    if (labels_ != nullptr) add_entities(batch);
  }

  void reduce(Communicator& communicator) override {
    reduce_counts(counts_, communicator);
    if (labels_ != nullptr) reduce_counts(entities_, communicator);
  }

  [[nodiscard]] Metrics metrics(double loss_sum, double loss_weight) const override {
    ClassificationCounts counts = counts_;
    counts.loss_sum = loss_sum;
    counts.loss_weight = loss_weight;
    Metrics metrics = classification_metrics(counts);
    return labels_ == nullptr ? metrics : with_entities(std::move(metrics), *labels_, entities_);
  }

 private:
  /// Of each row the words that have a label, in order: there is a row of outputs for each of them.
  void add_entities(const EvaluatedBatch& batch) {
    std::size_t row = 0;
    const Batch& rows = batch.rows;
    for (std::size_t s = 0; s + 1 < rows.sequence_starts.size(); ++s) {
      std::vector<std::int32_t> truths;
      std::vector<std::int32_t> predictions;
      for (std::int32_t t = rows.sequence_starts[s]; t < rows.sequence_starts[s + 1]; ++t) {
        const std::int32_t truth = rows.classes[static_cast<std::size_t>(t)];
        if (truth == kUnlabelled) continue;
        truths.push_back(truth);
        predictions.push_back(batch.predicted_class(row++));
      }
      entities_.add(*labels_, truths, predictions);
    }
  }

  const EntityLabels* labels_;
  ClassificationCounts counts_;
  EntityCounts entities_;
};

class LanguageModelScores final : public Scores {
 public:
  explicit LanguageModelScores(std::optional<std::int64_t> text_bytes) : text_bytes_(text_bytes) {}
  void add(const EvaluatedBatch& batch) override {
    for (std::size_t i = 0; i < batch.classes.size(); ++i) {
      ++counts_.tokens;
      counts_.correct += batch.predicted_class(i) == batch.classes[i] ? 1 : 0;
    }
  }
  void reduce(Communicator& communicator) override { reduce_counts(counts_, communicator); }
  [[nodiscard]] Metrics metrics(double loss_sum, double loss_weight) const override {
    LanguageModelCounts counts = counts_;
    counts.loss_sum = loss_sum;
    counts.loss_weight = loss_weight;
    Metrics metrics = language_model_metrics(counts);
    if (text_bytes_) metrics.values.emplace_back("bits_per_byte", bits_per_byte(loss_sum, *text_bytes_));
    return metrics;
  }

 private:
  std::optional<std::int64_t> text_bytes_;  ///< nothing where no bytes are asked for
  LanguageModelCounts counts_;
};

}  // namespace

std::int32_t EvaluatedBatch::predicted_class(std::size_t i) const {
  if (!predicted.empty()) return predicted[i];
  const std::span<const float> values = outputs_of(i);
  return static_cast<std::int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

std::unique_ptr<Scores> make_class_scores(const ScoreSettings& settings) {
  return std::make_unique<ClassScores>(settings);
}

std::unique_ptr<Scores> make_language_model_scores(const ScoreSettings& /*settings*/) {
  return std::make_unique<LanguageModelScores>(std::nullopt);
}

std::unique_ptr<Scores> make_running_text_scores(const ScoreSettings& settings) {
  return std::make_unique<LanguageModelScores>(settings.text_bytes);
}

std::vector<std::string> metric_names(const TaskSpec& task, const EntityLabels* entities) {
  ScoreSettings settings;
  settings.entities = entities;
  std::vector<std::string> names;
  for (const auto& [name, value] : task.make_scores(settings)->metrics(0.0, 0.0).values) names.push_back(name);
  return names;
}

std::string choose_metric(const std::string& wanted, const TaskSpec& task, const EntityLabels* entities) {
  if (wanted.empty()) return std::string(task.best_metric);
  const std::vector<std::string> of_entities = entity_metric_names();
  const bool is_of_entities = std::find(of_entities.begin(), of_entities.end(), wanted) != of_entities.end();
  if (entities == nullptr && task.labels == LabelKind::token_class && is_of_entities)
    throw usage_error(
        "train.metric is {}, but no label of the words begins with B- or I-, so there are no entities; choose one of "
        "{}",
        wanted, fmt::join(metric_names(task), ", "));
  Metrics known;
  for (const std::string& name : metric_names(task, entities)) known.values.emplace_back(name, 0.0);
  (void)known.value(wanted);
  return wanted;
}

void require_possible_metric(const std::string& wanted, const TaskSpec& task) {
  const std::vector<std::string> of_entities = entity_metric_names();
  if (task.labels == LabelKind::token_class &&
      std::find(of_entities.begin(), of_entities.end(), wanted) != of_entities.end())
    return;
  (void)choose_metric(wanted, task);
}

}  // namespace temper
