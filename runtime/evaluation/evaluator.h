// Evaluation over all ranks, no row counted twice. The rows are cut into the same batches on any number of ranks and
// batch b belongs to rank b % ranks; sums are taken in the order of the batches, so the result has the same bits on any
// number of ranks, and with it early stopping and the choice of the best model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "data/example_source.h"
#include "model/model.h"
#include "runtime/evaluation/embeddings.h"
#include "runtime/steps/hidden_rows.h"
#include "runtime/tasks/scores.h"

namespace temper {

struct EvaluationSettings {
  const TaskSpec* task = nullptr;  ///< whose metrics are wanted; must be given
  std::int64_t batch_size = 64;
  DType activations = DType::f32;
  const EntityLabels* entities = nullptr;  ///< of the labels of words, where their names have prefixes
  double threshold = 0.5;                  ///< of several labels, those with a probability above it are predicted
  std::int32_t positive = -1;              ///< the class that is told from the others (judged_classes)
  RowOutputs* outputs = nullptr;           ///< becomes the outputs of all rows, of tasks that say something of rows
  const HiddenRows* cache = nullptr;       ///< of these rows: the frozen part is not computed again
  /// Other views of the same rows, whose outputs are averaged with theirs (averaged_views.h).
  std::vector<const ExampleSource*> more_views = {};
  /// True once a signal asked this rank to stop; asked now and then, by all ranks together.
  std::function<bool()> stop_requested = [] { return false; };
};

/// Collective. Loss and metrics of the task over all rows; nothing if a signal asked any rank to stop.
std::optional<Metrics> evaluate(Model& model, Device& device, Communicator& communicator, const ExampleSource& data,
                                const EvaluationSettings& settings);

/// Outputs of rows [begin, end) without labels: `consume(row, outputs)` is called for each row in order. A model that
/// reads tokens one by one gives one row of outputs a token, one after the other. `more_views`: as EvaluationSettings
/// has them.
void predict(Model& model, Device& device, const ExampleSource& data, DType activations, std::int64_t begin,
             std::int64_t end, std::int64_t batch_size,
             const std::function<void(std::int64_t row, std::span<const float> outputs)>& consume,
             std::span<const ExampleSource* const> more_views = {});

/// The same with a vector of each row (runtime/evaluation/embeddings.h), which is empty with EmbeddingPooling::none.
/// Outputs have the same bits as without. Of several views the vector is that of the first.
void predict_embedded(Model& model, Device& device, const ExampleSource& data, DType activations, std::int64_t begin,
                      std::int64_t end, std::int64_t batch_size, EmbeddingPooling pooling,
                      const std::function<void(std::int64_t row, std::span<const float> outputs,
                                               std::span<const float> embedding)>& consume,
                      std::span<const ExampleSource* const> more_views = {});

}  // namespace temper
