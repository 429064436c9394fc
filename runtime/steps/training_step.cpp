#include "runtime/steps/training_step.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "runtime/steps/finite_weights.h"
#include "runtime/steps/step_message.h"
#include "runtime/steps/working_copies.h"
#include "tensor/host_copy.h"

namespace temper {

TrainingStep::TrainingStep(Model& model, Device& device, Communicator& communicator, TrainingStepSettings settings)
    : model_(model), device_(device), communicator_(communicator), settings_(std::move(settings)) {
  // The backward pass meets parameters in the reverse of the order in which the forward pass did.
  const auto& parameters = model.parameters().all();
  std::vector<std::int64_t> sizes;
  std::vector<SlotSettings> slots;
  for (std::size_t i = parameters.size(); i-- > 0;) {
    if (!parameters[i].trainable()) continue;
    parameter_of_slot_.push_back(i);
    trains_embeddings_ |= parameters[i].stage == 0;
    sizes.push_back(parameters[i].size());
    const MatrixExtent matrix = matrix_extent(parameters[i].shape);
    slots.push_back({settings_.rate_factors[i], parameters[i].decays,
                     settings_.updates.empty() ? 0 : settings_.updates[i], matrix.rows, matrix.columns});
  }
  if (!settings_.frozen_dropout) stages_below_ = model.frozen_stages();
  layout_ = ArenaLayout(sizes);
  settings_.buckets.working = settings_.activations == DType::bf16;
  settings_.buckets.table = sparse_table();
  buckets_ = std::make_unique<GradientBuckets>(communicator, device, layout_, settings_.grains, settings_.buckets);
  GradientExchange& exchange = buckets_->exchange();
  const std::vector<ElementRange> owned = exchange.plan().owned_by(communicator.rank());
  table_ = exchange.table();
  if (table_ != nullptr) table_slot_ = settings_.buckets.table->slot;
  optimizer_ = std::make_unique<Optimizer>(device, communicator, layout_, owned, settings_.optimizer, std::move(slots),
                                           table_ != nullptr ? settings_.buckets.table : std::optional<SparseTable>());
  const TreeNode grains = buckets_->own_grains();
  sums_ = Tensor::empty(device.memory(), {layout_.chunks() + 2 * (grains.end - grains.begin)}, DType::f64);
  device.kernels().run(calls::Clear{.data = sums_.bytes(), .bytes = sums_.size_bytes()});

  if (auto* cuda = dynamic_cast<CudaDevice*>(&device); cuda != nullptr && settings_.graphs && !device.times_kernels())
    graphs_ = std::make_unique<StepGraphs>(*cuda);

  // Each rank brings the slices that it owns, then all parameters view the arena.
  float* arena = exchange.parameters();
  for (const Optimizer::OwnSlice& slice : optimizer_->own_slices()) {
    const float* values = parameters[parameter_of_slot_[slice.slot]].variable.value().data<float>() + slice.begin;
    float* place = arena + layout_.slots()[slice.slot].begin + slice.begin;
    device.kernels().run(calls::Copy{.x = ConstMatrix{values, 1, slice.size, slice.size},
                                     .y = Matrix{place, 1, slice.size, slice.size}});
  }
  if (BFloat16* shared = exchange.working(); shared != nullptr) {
    working_ = Tensor::view(shared, {layout_.elements()}, DType::bf16);
    for (const ElementRange range : owned) round_parameters(range);
  } else if (settings_.activations != DType::f32) {
    working_ = Tensor::empty(device.memory(), {layout_.elements()}, settings_.activations);
  }
  exchange.share_all_parameters();
  if (exchange.working() == nullptr) round_parameters({0, layout_.elements()});
  for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot) {
    const Parameter& parameter = parameters[parameter_of_slot_[slot]];
    const std::int64_t begin = layout_.slots()[slot].begin;
    parameter.variable.set_value(Tensor::view(arena + begin, parameter.shape));
    if (working_.defined())
      parameter.variable.set_working(
          working_.part(begin * static_cast<std::int64_t>(size_of(working_.type())), parameter.shape, working_.type()));
  }
  ensure_working_copies(model, device, settings_.activations);
}

BFloat16* TrainingStep::working_arena() const { return working_.defined() ? working_.data<BFloat16>() : nullptr; }

StepOutcome TrainingStep::run(const Step& batch, std::int64_t number, double learning_rate, StepWishes wishes) {
  StepMessage message;
  message.stop = wishes.stop;
  message.save = wishes.save;
  constexpr std::int64_t kPairBytes = 2 * sizeof(double);
  const std::int64_t loss_bytes = layout_.chunks() * static_cast<std::int64_t>(sizeof(double));
  device_.kernels().run(
      calls::Clear{.data = sums_.data<double>() + layout_.chunks(), .bytes = sums_.size_bytes() - loss_bytes});
  if (table_ != nullptr) {
    buckets_->begin_step(rows_of(batch));
  } else {
    buckets_->begin_step();
  }
  for (std::size_t g = 0; g < batch.grains.size(); ++g) {
    const Tensor sum = sums_.part(loss_bytes + static_cast<std::int64_t>(g) * kPairBytes, {2}, DType::f64);
    message.tokens += run_grain(batch.grains[g], buckets_->begin_grain(), number, sum);
    buckets_->end_grain();
  }
  {
    const TimelineScope scope(settings_.timeline, Timeline::Track::waits, "gradients of the others");
    buckets_->finish();
  }

  // One small reduction for everything that all ranks must agree on.
  const float* reduced = buckets_->exchange().reduced();
  const double* taken = table_ == nullptr ? buckets_->exchange().squares() : nullptr;
  if (table_ != nullptr) {
    optimizer_->chunk_square_sums(reduced, sums_.data<double>(), *table_, buckets_->exchange().live_rows());
  } else if (taken == nullptr) {
    optimizer_->chunk_square_sums(reduced, sums_.data<double>());
  }
  const std::vector<double> sums = device_.download<double>(sums_);
  const double* by_chunk = taken != nullptr ? taken : sums.data();
  for (const ElementRange range : buckets_->exchange().plan().owned_by(communicator_.rank()))
    for (std::int64_t c = range.begin / ArenaLayout::kChunk; c < range.end / ArenaLayout::kChunk; ++c)
      message.squares.add(by_chunk[c]);
  const std::span of_grains = std::span(sums).subspan(static_cast<std::size_t>(layout_.chunks()));
  for (std::size_t g = 0; g < batch.grains.size(); ++g) {
    message.loss.add(of_grains[2 * g]);
    message.weight.add(of_grains[2 * g + 1]);
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
    outcome.gradient_norm = std::sqrt(squares) / outcome.weight;
    double scale = 1.0 / outcome.weight;
    if (settings_.clip_norm > 0.0) scale *= std::min(1.0, settings_.clip_norm / (outcome.gradient_norm + 1e-6));
    has_updated_ = has_updated_ || learning_rate > 0.0;
    const TimelineScope scope(settings_.timeline, Timeline::Track::sections, "optimizer");
    optimizer_->step(buckets_->exchange().parameters(), reduced, working_arena(), learning_rate, scale);
  }
  {
    const TimelineScope scope(settings_.timeline, Timeline::Track::waits, "share parameters");
    buckets_->exchange().share_parameters();
  }
  // The optimizer has rounded the own slices; on one rank, or where the exchange shares what is rounded, that is all.
  if (communicator_.size() > 1 && buckets_->exchange().working() == nullptr) round_parameters({0, layout_.elements()});
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

std::optional<SparseTable> TrainingStep::sparse_table() const {
  const Variable table = model_.token_table();
  if (!settings_.token_rows || !table.defined()) return {};
  const auto& parameters = model_.parameters().all();
  for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot) {
    if (parameters[parameter_of_slot_[slot]].variable != table) continue;
    const bool lazy = update_rule(settings_.optimizer.rule).supports_lazy_decay(settings_.optimizer);
    const RowSet trained = lazy ? *settings_.token_rows : RowSet::all(settings_.token_rows->rows());
    return SparseTable{static_cast<std::int64_t>(slot), table.value().columns(), trained};
  }
  return {};
}

RowSet TrainingStep::rows_of(const Step& batch) const {
  RowSet rows(table_->rows());
  for (const std::vector<Batch>& grain : batch.grains)
    for (const Batch& micro_batch : grain) rows.insert_all_of(micro_batch.text().ids);
  return rows;
}

void TrainingStep::settle() {
  if (!optimizer_->is_behind()) return;
  // Nobody reads parameters while a step is not under way.
  optimizer_->settle(buckets_->exchange().parameters(), working_arena());
  buckets_->exchange().share_all_parameters();
}

void TrainingStep::round_parameters(ElementRange range) {
  if (!working_.defined()) return;
  const std::int64_t size = range.size();
  const Rows rounded(working_.data<BFloat16>() + range.begin, 1, size, size, DType::bf16);
  device_.kernels().run(
      calls::Copy{.x = ConstMatrix{buckets_->exchange().parameters() + range.begin, 1, size, size}, .y = rounded});
}

std::int64_t TrainingStep::run_grain(const std::vector<Batch>& micro_batches, float* gradients, std::int64_t number,
                                     const Tensor& sum) {
  const auto& parameters = model_.parameters().all();
  for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot) {
    const Parameter& parameter = parameters[parameter_of_slot_[slot]];
    parameter.variable.bind_gradient(Tensor::view(gradients + layout_.slots()[slot].begin, parameter.shape),
                                     static_cast<std::int64_t>(slot));
    // It is zero already, so nobody needs to clear it.
    if (static_cast<std::int64_t>(slot) == table_slot_) parameter.variable.mark_gradient_written();
  }
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
  for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot)
    if (parameters[parameter_of_slot_[slot]].variable.gradient_written())
      buckets_->complete(static_cast<std::int64_t>(slot));
  return tokens;
}

void TrainingStep::run_micro_batch(const Batch& batch, PhiloxKey key, const Tensor& sum,
                                   const std::function<void(std::int64_t slot)>& complete) {
  const BatchUse use{
      .labelled = true, .trains_embeddings = trains_embeddings_, .padded_groups = graphs_ != nullptr, .cache = cache_};
  const Readout& readout = model_.readout();
  const auto run_through_tape = [&] {
    const DeviceBatch on_device = to_device(batch, readout, use, device_);
    buckets_->exchange().wait_for_parameters();
    forward_and_backward(on_device, key, nullptr, sum, complete);
  };
  if (graphs_ == nullptr) return run_through_tape();
  // Whether gradients are added to or overwritten is part of what is recorded.
  const auto& parameters = model_.parameters().all();
  std::vector<bool> written;
  for (const std::size_t index : parameter_of_slot_) written.push_back(parameters[index].variable.gradient_written());
  const Variable& first = parameters[parameter_of_slot_.front()].variable;
  StepGraphs::Shape shape = shape_of(batch, readout);
  shape.gradients = first.gradient().bytes();
  shape.sum = sum.bytes();
  shape.written = std::move(written);

  StepGraphs::Entry* entry = graphs_->find(shape);
  if (entry == nullptr) return run_through_tape();
  entry->batch = to_device(batch, readout, use, device_, entry->batch.block);
  const PhiloxKey* device_key = graphs_->set_key(key);
  buckets_->exchange().wait_for_parameters();
  if (entry->work == nullptr) {
    // A graph has memory of its own: what the pool keeps for the same activations is given back first.
    device_.synchronize();
    device_.memory().trim();
    entry->work = graphs_->device().record([&] {
      forward_and_backward(entry->batch, key, device_key, sum,
                           [&](std::int64_t slot) { entry->completed.push_back(slot); });
    });
    for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot)
      if (parameters[parameter_of_slot_[slot]].variable.gradient_written()) entry->written.push_back(slot);
  }
  entry->work->replay();
  for (const std::size_t slot : entry->written) parameters[parameter_of_slot_[slot]].variable.mark_gradient_written();
  for (const std::int64_t slot : entry->completed) complete(slot);
}

void TrainingStep::forward_and_backward(const DeviceBatch& batch, PhiloxKey key, const PhiloxKey* device_key,
                                        const Tensor& sum, const std::function<void(std::int64_t slot)>& complete) {
  Tape tape(device_, Tape::Mode::training, key, settings_.activations);
  tape.set_device_key(device_key);
  {
    const TimelineScope scope(settings_.timeline, Timeline::Track::sections, "forward");
    model_.loss(tape, batch.input, batch.selection, batch.targets, sum, {stages_below_, batch.hidden});
  }
  const TimelineScope scope(settings_.timeline, Timeline::Track::sections, "backward");
  tape.backward(complete);
}

void TrainingStep::release_values() {
  settle();
  for (const std::size_t index : parameter_of_slot_) {
    const Parameter& parameter = model_.parameters().all()[index];
    const Tensor copy = Tensor::empty(device_.memory(), parameter.shape);
    device_.kernels().run(calls::Copy{.x = parameter.variable.value().as_rows(), .y = copy.as_rows()});
    parameter.variable.set_value(copy);
    parameter.variable.bind_gradient(Tensor(), -1);
  }
  communicator_.barrier();
}

std::int64_t TrainingStep::gradient_bytes() const {
  return static_cast<std::int64_t>(sizeof(float)) * layout_.elements() * buckets_->buffers();
}

}  // namespace temper
