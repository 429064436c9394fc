#include "runtime/evaluation/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "data/sampler.h"
#include "runtime/steps/working_copies.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

/// Epoch number under which evaluation masks tokens: none that training reaches.
constexpr std::int64_t kEvaluationEpoch = -1;
constexpr std::int64_t kRoundsBetweenEvaluationPolls = 16;

std::int32_t predicted_class(std::span<const float> values) {
  return static_cast<std::int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

/// What the metrics of a task are computed from; only the member of the task is used.
struct Accumulated {
  ClassificationCounts classes;
  EntityCounts entities;
  MultiLabelCounts labels;
  LanguageModelCounts tokens;
  std::vector<double> predictions;  ///< [rows, outputs], zero for rows of other ranks
  std::vector<double> truths;
};

/// Logits on the host, [rows, columns].
struct HostLogits {
  std::span<const float> values;
  std::size_t columns;

  [[nodiscard]] std::span<const float> row(std::size_t i) const { return values.subspan(i * columns, columns); }
};

void add_classes(Accumulated& sums, const DeviceBatch& batch, const HostLogits& logits) {
  for (std::size_t row = 0; row < batch.host_classes.size(); ++row)
    sums.classes.add(batch.host_classes[row], predicted_class(logits.row(row)));
}

/// Of each row the words that have a label, in order: logits have a row for each of them.
void add_entities(Accumulated& sums, const EntityLabels& labels, const Batch& batch, const HostLogits& logits) {
  std::size_t row = 0;
  for (std::size_t s = 0; s + 1 < batch.sequence_starts.size(); ++s) {
    std::vector<std::int32_t> truths;
    std::vector<std::int32_t> predictions;
    for (std::int32_t t = batch.sequence_starts[s]; t < batch.sequence_starts[s + 1]; ++t) {
      const std::int32_t truth = batch.classes[static_cast<std::size_t>(t)];
      if (truth == kUnlabelled) continue;
      truths.push_back(truth);
      predictions.push_back(predicted_class(logits.row(row++)));
    }
    sums.entities.add(labels, truths, predictions);
  }
}

void add_tokens(Accumulated& sums, const DeviceBatch& batch, const HostLogits& logits) {
  for (std::size_t row = 0; row < batch.host_classes.size(); ++row) {
    ++sums.tokens.tokens;
    sums.tokens.correct += predicted_class(logits.row(row)) == batch.host_classes[row] ? 1 : 0;
  }
}

void add_labels(Accumulated& sums, const Batch& batch, const HostLogits& logits) {
  for (std::size_t row = 0; row < static_cast<std::size_t>(batch.sequences()); ++row)
    sums.labels.add(std::span(batch.targets).subspan(row * logits.columns, logits.columns), logits.row(row));
}

void add_predictions(Accumulated& sums, std::int64_t first_row, const Batch& batch, const HostLogits& logits) {
  const std::int64_t offset = first_row * static_cast<std::int64_t>(logits.columns);
  std::copy(logits.values.begin(), logits.values.end(), sums.predictions.begin() + offset);
  std::copy_n(batch.targets.begin(), logits.values.size(), sums.truths.begin() + offset);
}

}  // namespace

std::optional<Metrics> evaluate(Model& model, Device& device, Communicator& communicator, const Dataset& data,
                                const EvaluationSettings& settings) {
  const Task task = settings.loss.task;
  const std::int64_t batches = steps_per_epoch(data.rows(), settings.batch_size);
  ensure_working_copies(model, device, settings.activations);
  // Sum and weight of each batch's loss; those of other ranks' batches stay zero.
  const Tensor losses = Tensor::empty(device.memory(), {batches, 2}, DType::f64);
  device.kernels().run(calls::Clear{.data = losses.bytes(), .bytes = losses.size_bytes()});
  Accumulated sums;
  sums.classes.resize(task == Task::masked_lm ? 0 : settings.outputs);
  sums.labels.resize(settings.outputs);
  sums.labels.logit_threshold = std::log(settings.threshold / (1.0 - settings.threshold));
  if (settings.entities != nullptr) sums.entities.resize(settings.entities->types().size());
  if (task == Task::regression) {
    sums.predictions.assign(static_cast<std::size_t>(data.rows() * settings.outputs), 0.0);
    sums.truths = sums.predictions;
  }

  for (std::int64_t round = 0; round * communicator.size() < batches; ++round) {
    if (round % kRoundsBetweenEvaluationPolls == 0) {
      std::vector<std::int64_t> stop{settings.stop_requested() ? 1 : 0};
      communicator.all_reduce(std::span(stop), Reduction::max);
      if (stop.front() != 0) return std::nullopt;
    }
    const std::int64_t b = round * communicator.size() + communicator.rank();
    if (b >= batches) continue;
    const std::int64_t first = b * settings.batch_size;
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(settings.batch_size, data.rows() - first)));
    std::iota(rows.begin(), rows.end(), first);
    Batch host = pack(data, rows);
    if (settings.masking != nullptr) settings.masking->apply(host, kEvaluationEpoch);
    const DeviceBatch batch = to_device(host, task, BatchUse{.cache = settings.cache}, device);
    Tape tape(device, Tape::Mode::evaluation, {}, settings.activations);
    const FrozenPart known{settings.cache != nullptr ? settings.cache->stages() : 0, batch.hidden};
    const Variable output = model.forward(tape, batch.input, batch.selection, known);
    constexpr std::int64_t kPairBytes = 2 * sizeof(double);
    task_loss(tape, output, batch, settings.loss, losses.part(b * kPairBytes, {2}, DType::f64));
    const HostCopy on_host(device, output.value());
    const HostLogits logits{on_host.values(), static_cast<std::size_t>(output.value().columns())};
    switch (task) {
      case Task::sequence_classification:
      case Task::token_classification:
        add_classes(sums, batch, logits);
        if (settings.entities != nullptr) add_entities(sums, *settings.entities, host, logits);
        break;
      case Task::masked_lm:
        add_tokens(sums, batch, logits);
        break;
      case Task::multi_label:
        add_labels(sums, host, logits);
        break;
      case Task::regression:
        add_predictions(sums, first, host, logits);
        break;
    }
  }

  // Each batch's loss comes from one rank, the others add zero.
  std::vector<double> pairs = device.download<double>(losses);
  communicator.all_reduce(std::span(pairs), Reduction::sum);
  double loss = 0.0;
  double weight = 0.0;
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    loss += pairs[i];
    weight += pairs[i + 1];
  }
  const auto reduce = [&](auto& counts) {
    std::vector<std::int64_t> flat = counts.flat();
    communicator.all_reduce(std::span(flat), Reduction::sum);
    counts.set_flat(flat);
  };
  const auto reduce_counts = [&](auto& counts) {
    reduce(counts);
    counts.loss_sum = loss;
    counts.loss_weight = weight;
  };
  switch (task) {
    case Task::sequence_classification:
    case Task::token_classification:
      reduce_counts(sums.classes);
      if (settings.entities == nullptr) return classification_metrics(sums.classes);
      reduce(sums.entities);
      return with_entities(classification_metrics(sums.classes), *settings.entities, sums.entities);
    case Task::masked_lm:
      reduce_counts(sums.tokens);
      return language_model_metrics(sums.tokens);
    case Task::multi_label:
      reduce_counts(sums.labels);
      return multi_label_metrics(sums.labels);
    case Task::regression:
      break;
  }
  communicator.all_reduce(std::span(sums.predictions), Reduction::sum);
  communicator.all_reduce(std::span(sums.truths), Reduction::sum);
  return regression_metrics({std::move(sums.predictions), std::move(sums.truths), loss, weight, settings.outputs});
}

void predict(Model& model, Device& device, const Dataset& data, Task task, DType activations, std::int64_t begin,
             std::int64_t end, std::int64_t batch_size,
             const std::function<void(std::int64_t row, std::span<const float> logits)>& consume) {
  ensure_working_copies(model, device, activations);
  for (std::int64_t first = begin; first < end; first += batch_size) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(batch_size, end - first)));
    std::iota(rows.begin(), rows.end(), first);
    const Batch host = pack(data, rows);
    const DeviceBatch batch = to_device(host, task, BatchUse{.labelled = false}, device);
    Tape tape(device, Tape::Mode::evaluation, {}, activations);
    const Tensor logits = model.forward(tape, batch.input, batch.selection).value();
    const HostCopy on_host(device, logits);
    std::int64_t consumed = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t logit_rows = is_token_task(task) ? data.length(rows[i]) : 1;
      const auto count = static_cast<std::size_t>(logit_rows * logits.columns());
      consume(rows[i], on_host.values().subspan(static_cast<std::size_t>(consumed), count));
      consumed += static_cast<std::int64_t>(count);
    }
  }
}

}  // namespace temper
