// From the outputs of a model to the metrics of a task. Each rank adds the batches that it computed; sums and counts
// are then reduced over the ranks, and divided once ("sums and counts" in docs/design.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "data/batch.h"
#include "runtime/tasks/entities.h"
#include "runtime/tasks/metrics.h"
#include "runtime/tasks/row_outputs.h"
#include "runtime/tasks/task.h"

namespace temper {

struct ScoreSettings {
  std::int64_t outputs = 1;                   ///< of the head
  std::int64_t rows = 0;                      ///< of the data
  const EntityLabels* entities = nullptr;     ///< of the labels of words, where their names have prefixes
  std::int64_t text_bytes = 0;                ///< that the predicted tokens stand for (ExampleSource::text_bytes)
  double threshold = 0.5;                     ///< of several labels, those with a probability above it are predicted
  PreferenceTerms preference = {};            ///< of pairs
  std::int32_t positive = -1;                 ///< the class that is told from the others (judged_classes)
  std::span<const std::int32_t> groups = {};  ///< of the data (ExampleSource::groups)
};

/// Outputs on the host beside what they should be.
struct EvaluatedBatch {
  const Batch& rows;
  std::int64_t first_row = 0;             ///< of the data, which the batch begins with
  std::span<const std::int32_t> classes;  ///< one for each row of outputs; empty where targets are numbers
  std::span<const float> outputs;         ///< [n, columns], of the tokens or sequences that the head reads
  std::size_t columns = 0;
  /// Where a head gives no outputs of all rows: the class with the largest, of each. `outputs` is empty then.
  std::span<const std::int32_t> predicted = {};
  /// Of pairs alone: the negative log-likelihood of each row.
  std::span<const double> row_losses = {};

  [[nodiscard]] std::span<const float> outputs_of(std::size_t i) const { return outputs.subspan(i * columns, columns); }
  [[nodiscard]] std::int32_t predicted_class(std::size_t i) const;
};

/// What the metrics of a task are computed from.
class Scores {
 public:
  Scores() = default;
  Scores(const Scores&) = delete;
  Scores& operator=(const Scores&) = delete;
  virtual ~Scores() = default;

  virtual void add(const EvaluatedBatch& batch) = 0;
  /// Collective: from then on of all ranks.
  virtual void reduce(Communicator& communicator) = 0;
  /// The loss is `loss_sum` / `loss_weight`.
  [[nodiscard]] virtual Metrics metrics(double loss_sum, double loss_weight) const = 0;
  /// The outputs of all rows, where the metrics are computed from these, else null.
  [[nodiscard]] virtual const RowOutputs* outputs() const { return nullptr; }
};

/// Of one class per word or token, and of the entities where the labels name some.
std::unique_ptr<Scores> make_class_scores(const ScoreSettings& settings);
/// Of tokens that a language model predicts.
std::unique_ptr<Scores> make_language_model_scores(const ScoreSettings& settings);
/// The same of running text: with bits per byte.
std::unique_ptr<Scores> make_running_text_scores(const ScoreSettings& settings);

/// Adds counts, which have flat() and set_flat(), over the ranks.
template <typename Counts>
void reduce_counts(Counts& counts, Communicator& communicator) {
  std::vector<std::int64_t> flat = counts.flat();
  communicator.all_reduce(std::span(flat), Reduction::sum);
  counts.set_flat(flat);
}

/// The metrics of a task, in their order; loss first. `entities`: as ScoreSettings has them.
std::vector<std::string> metric_names(const TaskSpec& task, const EntityLabels* entities = nullptr);

/// The metric `wanted`, or the task's own choice where that is empty. Throws a usage Error where it is none of the
/// task's, so that a mistyped name is refused before the first evaluation.
std::string choose_metric(const std::string& wanted, const TaskSpec& task, const EntityLabels* entities = nullptr);
/// Throws as choose_metric does, before the labels are known: what only they can tell is let through.
void require_possible_metric(const std::string& wanted, const TaskSpec& task);

}  // namespace temper
