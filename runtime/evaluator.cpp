#include "runtime/evaluator.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "data/sampler.h"

namespace temper {
namespace {

/// Epoch number under which evaluation masks tokens: none that training reaches.
constexpr std::int64_t kEvaluationEpoch = -1;
constexpr std::int64_t kRoundsBetweenPolls = 16;

std::int32_t index_of_largest(std::span<const float> values) {
  return static_cast<std::int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

/// What the metrics of a task are computed from; only the member of the task is used.
struct Accumulated {
  ClassificationCounts classes;
  MultiLabelCounts labels;
  LanguageModelCounts tokens;
  std::vector<double> predictions;  ///< [rows, outputs], zero for rows of other ranks
  std::vector<double> truths;
};

void add_classes(Accumulated& sums, const DeviceBatch& batch, const Tensor& logits) {
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const std::int32_t truth = batch.classes.data<std::int32_t>()[row];
    const auto scores = logits.span<float>().subspan(static_cast<std::size_t>(row * logits.columns()),
                                                     static_cast<std::size_t>(logits.columns()));
    sums.classes.add(truth, index_of_largest(scores));
  }
}

void add_tokens(Accumulated& sums, const DeviceBatch& batch, const Tensor& logits) {
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const auto scores = logits.span<float>().subspan(static_cast<std::size_t>(row * logits.columns()),
                                                     static_cast<std::size_t>(logits.columns()));
    ++sums.tokens.tokens;
    sums.tokens.correct += index_of_largest(scores) == batch.classes.data<std::int32_t>()[row] ? 1 : 0;
  }
}

void add_labels(Accumulated& sums, const DeviceBatch& batch, const Tensor& logits) {
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const auto offset = static_cast<std::size_t>(row * logits.columns());
    const auto count = static_cast<std::size_t>(logits.columns());
    sums.labels.add(batch.targets.span<float>().subspan(offset, count), logits.span<float>().subspan(offset, count));
  }
}

void add_predictions(Accumulated& sums, std::int64_t first_row, const DeviceBatch& batch, const Tensor& logits) {
  const std::int64_t offset = first_row * logits.columns();
  std::copy_n(logits.data<float>(), logits.size(), sums.predictions.begin() + offset);
  std::copy_n(batch.targets.data<float>(), logits.size(), sums.truths.begin() + offset);
}

}  // namespace

std::optional<Metrics> evaluate(Model& model, Device& device, Communicator& communicator, const Dataset& data,
                                const EvaluationSettings& settings) {
  const Task task = settings.loss.task;
  const std::int64_t batches = steps_per_epoch(data.rows(), settings.batch_size);
  std::vector<double> losses(2 * static_cast<std::size_t>(batches));
  Accumulated sums;
  sums.classes.resize(task == Task::masked_lm ? 0 : settings.outputs);
  sums.labels.resize(settings.outputs);
  if (task == Task::regression) {
    sums.predictions.assign(static_cast<std::size_t>(data.rows() * settings.outputs), 0.0);
    sums.truths = sums.predictions;
  }

  for (std::int64_t round = 0; round * communicator.size() < batches; ++round) {
    if (round % kRoundsBetweenPolls == 0) {
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
    const DeviceBatch batch = to_device(host, task, /*labelled=*/true, device);
    Tape tape(device, Tape::Mode::evaluation);
    const Variable logits = model.forward(tape, batch.input, batch.selection);
    const LossSum loss = task_loss(tape, logits, batch, settings.loss);
    losses[static_cast<std::size_t>(b)] = loss.loss;
    losses[static_cast<std::size_t>(batches + b)] = loss.weight;
    switch (task) {
      case Task::sequence_classification:
      case Task::token_classification:
        add_classes(sums, batch, logits.value());
        break;
      case Task::masked_lm:
        add_tokens(sums, batch, logits.value());
        break;
      case Task::multi_label:
        add_labels(sums, batch, logits.value());
        break;
      case Task::regression:
        add_predictions(sums, first, batch, logits.value());
        break;
    }
  }

  // Each batch's loss comes from one rank, the others add zero.
  communicator.all_reduce(std::span(losses), Reduction::sum);
  const auto middle = losses.begin() + batches;
  const double loss = std::accumulate(losses.begin(), middle, 0.0);
  const double weight = std::accumulate(middle, losses.end(), 0.0);
  const auto reduce_counts = [&](auto& counts) {
    std::vector<std::int64_t> flat = counts.flat();
    communicator.all_reduce(std::span(flat), Reduction::sum);
    counts.set_flat(flat);
    counts.loss_sum = loss;
    counts.loss_weight = weight;
  };
  switch (task) {
    case Task::sequence_classification:
    case Task::token_classification:
      reduce_counts(sums.classes);
      return classification_metrics(sums.classes);
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

void predict(Model& model, Device& device, const Dataset& data, Task task, std::int64_t begin, std::int64_t end,
             std::int64_t batch_size,
             const std::function<void(std::int64_t row, std::span<const float> logits)>& consume) {
  for (std::int64_t first = begin; first < end; first += batch_size) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(batch_size, end - first)));
    std::iota(rows.begin(), rows.end(), first);
    const Batch host = pack(data, rows);
    const DeviceBatch batch = to_device(host, task, /*labelled=*/false, device);
    Tape tape(device, Tape::Mode::evaluation);
    const Tensor logits = model.forward(tape, batch.input, batch.selection).value();
    std::int64_t consumed = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t logit_rows = is_token_task(task) ? data.length(rows[i]) : 1;
      const auto count = static_cast<std::size_t>(logit_rows * logits.columns());
      consume(rows[i], logits.span<float>().subspan(static_cast<std::size_t>(consumed), count));
      consumed += static_cast<std::int64_t>(count);
    }
  }
}

}  // namespace temper
