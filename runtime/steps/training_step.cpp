#include "runtime/steps/training_step.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "runtime/steps/finite_weights.h"
#include "runtime/steps/step_message.h"

namespace temper {

TrainingStep::TrainingStep(Model& model, Device& device, Communicator& communicator, TrainingStepSettings settings)
    : model_(model), device_(device), communicator_(communicator), settings_(std::move(settings)) {
  StoreSettings holding{.activations = settings_.activations,
                        .links = settings_.buckets.links,
                        .bucket_elements = settings_.bucket_elements,
                        .updated_rows = settings_.token_rows};
  if (holding.updated_rows && !update_rule(settings_.optimizer.rule).supports_lazy_decay(settings_.optimizer))
    holding.updated_rows = RowSet::all(holding.updated_rows->rows());
  store_ = std::make_unique<ParameterStore>(model, device, communicator, holding);
  std::vector<SlotSettings> slots;
  for (const std::size_t i : store_->parameter_of_slot()) {
    const Parameter& parameter = model.parameters().all()[i];
    trains_embeddings_ |= parameter.stage == 0;
    const MatrixExtent matrix = matrix_extent(parameter.shape);
    slots.push_back({settings_.rate_factors[i], parameter.decays, settings_.updates.empty() ? 0 : settings_.updates[i],
                     matrix.rows, matrix.columns});
  }
  if (!settings_.frozen_dropout) stages_below_ = model.frozen_stages();
  settings_.buckets.table = store_->table();
  buckets_ = std::make_unique<GradientBuckets>(communicator, device, store_->layout(), store_->plan(), settings_.grains,
                                               settings_.buckets);
  optimizer_ =
      std::make_unique<Optimizer>(device, communicator, store_->layout(), store_->plan().owned_by(communicator.rank()),
                                  settings_.optimizer, std::move(slots), store_->table());
  const TreeNode grains = buckets_->own_grains();
  sums_ = Tensor::empty(device.memory(), {store_->layout().chunks() + sum_size() * (grains.end - grains.begin)},
                        DType::f64);
  device.kernels().run(calls::Clear{.data = sums_.bytes(), .bytes = sums_.size_bytes()});
  if (settings_.live_batch_norm) batch_norms_ = std::make_unique<BatchNormStatistics>(model, device);
  // A graph would measure without anybody being told.
  if (settings_.graphs && batch_norms_ == nullptr && device.records_work() && !device.times_kernels())
    graphs_ = std::make_unique<StepGraphs>(device);
}

StepOutcome TrainingStep::run(const StepBatch& batch, std::int64_t number, double learning_rate,
                              StepRequests requests) {
  StepMessage message;
  message.stop = requests.stop;
  message.save = requests.save;
  message.measures.resize(settings_.measures.size());
  const std::int64_t chunks = store_->layout().chunks();
  const std::int64_t loss_bytes = chunks * static_cast<std::int64_t>(sizeof(double));
  device_.kernels().run(calls::Clear{.data = sums_.data<double>() + chunks, .bytes = sums_.size_bytes() - loss_bytes});
  if (store_->table()) {
    buckets_->begin_step(rows_of(batch));
  } else {
    buckets_->begin_step();
  }
  if (batch_norms_ != nullptr) batch_norms_->begin_step();
  for (std::size_t g = 0; g < batch.grains.size(); ++g) {
    const std::int64_t place = loss_bytes + static_cast<std::int64_t>(g * sizeof(double)) * sum_size();
    const Tensor sum = sums_.part(place, {sum_size()}, DType::f64);
    message.tokens += run_grain(batch.grains[g], buckets_->begin_grain(), number, sum);
    buckets_->end_grain();
  }
  {
    const TimelineScope scope(settings_.timeline, Timeline::Track::waits, "gradients of the others");
    buckets_->finish();
  }

  // One small reduction for everything that all ranks must agree on.
  buckets_->square_sums(sums_.data<double>());
  const std::vector<double> sums = device_.download<double>(sums_);
  for (const ElementRange range : store_->plan().owned_by(communicator_.rank()))
    for (std::int64_t c = range.begin / ArenaLayout::kChunk; c < range.end / ArenaLayout::kChunk; ++c)
      message.squares.add(sums[static_cast<std::size_t>(c)]);
  const std::span grain_sums = std::span(sums).subspan(static_cast<std::size_t>(chunks));
  for (std::size_t g = 0; g < batch.grains.size(); ++g) {
    const std::span of_grain = grain_sums.subspan(g * static_cast<std::size_t>(sum_size()));
    message.loss.add(of_grain[0]);
    message.weight.add(of_grain[1]);
    for (std::size_t i = 0; i < message.measures.size(); ++i) message.measures[i].add(of_grain[2 + i]);
  }
  {
    const TimelineScope scope(settings_.timeline, Timeline::Track::waits, "agreement");
    message.share(communicator_);
  }

  StepOutcome outcome;
  const double loss = message.loss.value();
  const double squares = message.squares.value();
  outcome.weight = message.weight.value();
  outcome.tokens = message.tokens;
  outcome.stop_requested = message.stop;
  outcome.save_due = message.save;
  if (!std::isfinite(loss) || !std::isfinite(squares))
    throw NotFinite(fmt::format("step {}: the {} is not finite; {}", number + 1,
                                std::isfinite(loss) ? "gradient" : "loss", cause_of_not_finite(number, learning_rate)));

  // A batch without anything to count (masked tokens, say) leaves the parameters as they are.
  if (outcome.weight > 0.0) {
    outcome.loss = loss / outcome.weight;
    for (std::size_t i = 0; i < message.measures.size(); ++i)
      outcome.measures.emplace_back(settings_.measures[i], message.measures[i].value() / outcome.weight);
    outcome.gradient_norm = std::sqrt(squares) / outcome.weight;
    double scale = 1.0 / outcome.weight;
    if (settings_.clip_norm > 0.0) scale *= std::min(1.0, settings_.clip_norm / (outcome.gradient_norm + 1e-6));
    has_updated_ = has_updated_ || learning_rate > 0.0;
    const TimelineScope scope(settings_.timeline, Timeline::Track::sections, "optimizer");
    optimizer_->step(store_->parameters(), buckets_->reduced(), store_->compute_copy(), learning_rate, scale);
    if (batch_norms_ != nullptr) batch_norms_->update(communicator_);
  }
  {
    const TimelineScope scope(settings_.timeline, Timeline::Track::waits, "share parameters");
    store_->share(SharedRows::trained);
  }
  ++steps_;
  return outcome;
}

std::string TrainingStep::cause_of_not_finite(std::int64_t number, double learning_rate) const {
  // The warm-up begins with a rate of 0, so that the first step changes nothing.
  const bool unchanged = number == steps_ && !has_updated_;
  if (!unchanged)
    return fmt::format("the learning rate of {} may be too high, or the data hold values that the model cannot take",
                       learning_rate);
  if (const std::string weights = not_finite_weights(model_, device_, "the base model"); !weights.empty())
    return weights;
  return "no weights have changed yet, and those of the model are finite: the data hold values, or targets, that the "
         "model cannot take";
}

RowSet TrainingStep::rows_of(const StepBatch& batch) const {
  RowSet rows(store_->table()->trained.rows());
  for (const std::vector<Batch>& grain : batch.grains)
    for (const Batch& micro_batch : grain) rows.insert_all_of(micro_batch.text().ids);
  return rows;
}

void TrainingStep::settle() {
  if (!optimizer_->has_deferred_decay()) return;
  // Nobody reads parameters while a step is not under way.
  optimizer_->settle(store_->parameters(), store_->compute_copy());
  store_->share(SharedRows::all);
}

std::int64_t TrainingStep::run_grain(const std::vector<Batch>& micro_batches, float* gradients, std::int64_t number,
                                     const Tensor& sum) {
  store_->bind_gradients(gradients);
  std::size_t last = micro_batches.size();
  while (last > 0 && micro_batches[last - 1].sequences() == 0) --last;
  std::int64_t tokens = 0;
  const PhiloxKey key = random_key(settings_.seed, static_cast<std::uint64_t>(number));
  for (std::size_t i = 0; i < last; ++i) {
    if (micro_batches[i].sequences() == 0) continue;
    tokens += micro_batches[i].tokens();
    const bool final = i + 1 == last;
    run_micro_batch(micro_batches[i], key, sum, [&](std::int64_t slot) {
      if (final) buckets_->complete(slot);
    });
  }
  // A parameter that only an earlier micro-batch reached is complete as well; the others are cleared.
  for (std::size_t slot = 0; slot < slots(); ++slot)
    if (variable(slot).gradient_written()) buckets_->complete(static_cast<std::int64_t>(slot));
  return tokens;
}

void TrainingStep::run_micro_batch(const Batch& batch, PhiloxKey key, const Tensor& sum,
                                   const std::function<void(std::int64_t slot)>& complete) {
  const BatchUse use{.labelled = true,
                     .trains_embeddings = trains_embeddings_,
                     .weighted = true,
                     .padded_groups = graphs_ != nullptr,
                     .cache = cache_};
  StepGraphs::Entry* entry = nullptr;
  const auto find_block = [&](const BatchShape& shape) {
    if (graphs_ != nullptr) entry = graphs_->find(graph_shape(shape, sum));
    return entry != nullptr ? entry->batch.block : Tensor();
  };
  DeviceBatch on_device = to_device(batch, model_.readout(), use, device_, find_block);
  if (entry == nullptr) {
    store_->wait();
    return forward_and_backward(on_device, key, nullptr, sum, complete);
  }
  entry->batch = std::move(on_device);
  const PhiloxKey* device_key = graphs_->set_key(key);
  store_->wait();
  if (entry->work == nullptr) {
    // A graph has memory of its own: what the pool keeps for the same activations is given back first.
    device_.synchronize();
    device_.memory().trim();
    entry->work = device_.record([&] {
      forward_and_backward(entry->batch, key, device_key, sum,
                           [&](std::int64_t slot) { entry->completed.push_back(slot); });
    });
    for (std::size_t slot = 0; slot < slots(); ++slot)
      if (variable(slot).gradient_written()) entry->written.push_back(slot);
  }
  entry->work->replay();
  for (const std::size_t slot : entry->written) variable(slot).mark_gradient_written();
  for (const std::int64_t slot : entry->completed) complete(slot);
}

StepGraphs::Shape TrainingStep::graph_shape(const BatchShape& batch, const Tensor& sum) const {
  StepGraphs::Shape shape{
      .batch = batch, .gradients = variable(0).gradient().bytes(), .sum = sum.bytes(), .written = {}};
  for (std::size_t slot = 0; slot < slots(); ++slot) shape.written.push_back(variable(slot).gradient_written());
  return shape;
}

void TrainingStep::forward_and_backward(const DeviceBatch& batch, PhiloxKey key, const PhiloxKey* device_key,
                                        const Tensor& sum, const std::function<void(std::int64_t slot)>& complete) {
  Tape tape(device_, Tape::Mode::training, key, settings_.activations);
  tape.set_device_key(device_key);
  if (batch_norms_ != nullptr) {
    batch_norms_->begin_pass();
    tape.observe_batch_norms(batch_norms_.get());
  }
  {
    const TimelineScope scope(settings_.timeline, Timeline::Track::sections, "forward");
    model_.loss(tape, batch.input, batch.selection, batch.targets, sum, {stages_below_, batch.hidden});
  }
  const TimelineScope scope(settings_.timeline, Timeline::Track::sections, "backward");
  tape.backward(complete);
}

void TrainingStep::release_values() {
  settle();
  store_->release();
}

std::int64_t TrainingStep::gradient_bytes() const {
  return static_cast<std::int64_t>(sizeof(float)) * store_->layout().elements() * buckets_->buffers();
}

}  // namespace temper
