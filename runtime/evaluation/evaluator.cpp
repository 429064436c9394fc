#include "runtime/evaluation/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "data/sampler.h"
#include "runtime/evaluation/averaged_views.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"
#include "tensor/array_bundle.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

constexpr std::int64_t kRoundsBetweenEvaluationPolls = 16;

/// The outputs of some rows, averaged with those of other views of them.
Variable with_more_views(Model& model, Device& device, const Tensor& outputs,
                         std::span<const ExampleSource* const> more_views, std::span<const std::int64_t> rows,
                         DType activations) {
  std::vector<std::vector<float>> views;
  const auto add = [&](const Tensor& of_view) {
    const HostCopy copy(device, of_view);
    views.emplace_back(copy.values().begin(), copy.values().end());
  };
  add(outputs);
  for (const ExampleSource* view : more_views) {
    const Batch host = view->read(rows, kEvaluationEpoch);
    const DeviceBatch batch = to_device(host, model.readout(), BatchUse{.labelled = false}, device);
    Tape tape(device, Tape::Mode::evaluation, {}, activations);
    add(model.forward(tape, batch.input, batch.selection).value());
  }
  const auto columns = static_cast<std::size_t>(outputs.columns());
  ArrayBundle bundle;
  Tensor averaged;
  const std::vector<float> values = averaged_views(views, columns, model.head_request().loss.kind);
  bundle.add(std::span<const float>(values), outputs.shape(), averaged);
  bundle.upload(device);
  return Variable(averaged);
}

}  // namespace

std::optional<Metrics> evaluate(Model& model, Device& device, Communicator& communicator, const ExampleSource& data,
                                const EvaluationSettings& settings) {
  const std::int64_t batches = steps_per_epoch(data.rows(), settings.batch_size);
  ensure_compute_copies(model, device, settings.activations);
  // Sum and weight of each batch's loss; those of other ranks' batches stay zero.
  const Tensor losses = Tensor::empty(device.memory(), {batches, 2}, DType::f64);
  device.kernels().run(calls::Clear{.data = losses.bytes(), .bytes = losses.size_bytes()});
  const ScoreSettings score_settings{
      model.head_request().labels, data.rows(),        settings.entities,
      data.text_bytes(),           settings.threshold, model.head_request().loss.preference_terms(/*trains=*/false),
      settings.positive,           data.groups()};
  const bool wants_losses = settings.task->loss == LossKind::preference;
  const std::unique_ptr<Scores> scores = settings.task->make_scores(score_settings);

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
    const Batch host = data.read(rows, {kEvaluationEpoch, settings.cache != nullptr});
    const DeviceBatch batch = to_device(host, model.readout(), BatchUse{.cache = settings.cache}, device);
    Tape tape(device, Tape::Mode::evaluation, {}, settings.activations);
    const FrozenPart frozen{settings.cache != nullptr ? settings.cache->stages() : 0, batch.hidden};
    constexpr std::int64_t kPairBytes = 2 * sizeof(double);
    const Tensor loss_of_batch = losses.part(b * kPairBytes, {2}, DType::f64);
    if (settings.task->reads_row_losses) {
      const RowLosses of_rows{wants_losses ? Tensor::empty(device.memory(), {batch.rows}, DType::f64) : Tensor(),
                              Tensor::empty(device.memory(), {batch.rows}, DType::i32)};
      model.row_losses(tape, batch.input, batch.selection, batch.targets, loss_of_batch, of_rows, frozen);
      const std::vector<std::int32_t> predicted = device.download<std::int32_t>(of_rows.predicted);
      const std::vector<double> row_losses =
          wants_losses ? device.download<double>(of_rows.losses) : std::vector<double>();
      scores->add({host, first, batch.host_classes, {}, 0, predicted, row_losses});
      continue;
    }
    Variable output = model.forward(tape, batch.input, batch.selection, frozen);
    if (!settings.more_views.empty())
      output = with_more_views(model, device, output.value(), settings.more_views, rows, settings.activations);
    model.loss_of(tape, output, batch.targets, loss_of_batch);
    const HostCopy host_outputs(device, output.value());
    scores->add(
        {host, first, batch.host_classes, host_outputs.values(), static_cast<std::size_t>(output.value().columns())});
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
  scores->reduce(communicator);
  if (settings.outputs != nullptr && scores->outputs() != nullptr) *settings.outputs = *scores->outputs();
  return scores->metrics(loss, weight);
}

void predict_embedded(Model& model, Device& device, const ExampleSource& data, DType activations, std::int64_t begin,
                      std::int64_t end, std::int64_t batch_size, EmbeddingPooling pooling,
                      const std::function<void(std::int64_t row, std::span<const float> outputs,
                                               std::span<const float> embedding)>& consume,
                      std::span<const ExampleSource* const> more_views) {
  ensure_compute_copies(model, device, activations);
  for (std::int64_t first = begin; first < end; first += batch_size) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(batch_size, end - first)));
    std::iota(rows.begin(), rows.end(), first);
    const Batch host = data.read(rows, kEvaluationEpoch);
    const DeviceBatch batch = to_device(host, model.readout(), BatchUse{.labelled = false}, device);
    // All but the topmost block is the same for the head, which reads some tokens, and for a mean of all.
    FrozenPart below;
    if (pooling != EmbeddingPooling::none && model.stages() > 1) {
      below.stages = model.stages() - 1;
      Tape lower(device, Tape::Mode::evaluation, {}, activations);
      below.output = model.hidden_state(lower, batch.input, batch.selection, below.stages);
    }
    Tape tape(device, Tape::Mode::evaluation, {}, activations);
    Tensor outputs = model.forward(tape, batch.input, batch.selection, below).value();
    if (!more_views.empty()) outputs = with_more_views(model, device, outputs, more_views, rows, activations).value();
    const HostCopy host_outputs(device, outputs);
    std::vector<std::vector<float>> embeddings(rows.size());
    if (pooling != EmbeddingPooling::none)
      embeddings = embeddings_of(model, device, host, batch, activations, pooling, below);
    std::int64_t consumed = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t output_rows =
          model.readout().is_per_sequence() ? 1 : host.sequence_starts[i + 1] - host.sequence_starts[i];
      const auto count = static_cast<std::size_t>(output_rows * outputs.columns());
      consume(rows[i], host_outputs.values().subspan(static_cast<std::size_t>(consumed), count), embeddings[i]);
      consumed += static_cast<std::int64_t>(count);
    }
  }
}

void predict(Model& model, Device& device, const ExampleSource& data, DType activations, std::int64_t begin,
             std::int64_t end, std::int64_t batch_size,
             const std::function<void(std::int64_t row, std::span<const float> outputs)>& consume,
             std::span<const ExampleSource* const> more_views) {
  predict_embedded(
      model, device, data, activations, begin, end, batch_size, EmbeddingPooling::none,
      [&](std::int64_t row, std::span<const float> outputs, std::span<const float> /*embedding*/) {
        consume(row, outputs);
      },
      more_views);
}

}  // namespace temper
