#include "runtime/training_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

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
    sizes.push_back(parameters[i].size());
    slots.push_back(
        {settings_.rate_factors[i], parameters[i].decays(), settings_.updates.empty() ? 0 : settings_.updates[i]});
  }
  layout_ = ArenaLayout(sizes);
  buckets_ = std::make_unique<GradientBuckets>(communicator, device.kernels(), layout_, settings_.grains);
  GradientExchange& exchange = buckets_->exchange();
  const std::vector<ElementRange> owned = exchange.plan().owned_by(communicator.rank());
  optimizer_ = std::make_unique<Optimizer>(device.kernels(), layout_, owned, settings_.optimizer, std::move(slots));

  // Each rank brings the slices that it owns, then all parameters view the arena.
  const std::span<float> arena = exchange.parameters();
  for (const Optimizer::StateSlice& slice : optimizer_->state()) {
    const float* values = parameters[parameter_of_slot_[slice.slot]].variable.value().data<float>() + slice.begin;
    std::memcpy(arena.data() + layout_.slots()[slice.slot].begin + slice.begin, values, slice.first.size_bytes());
  }
  exchange.share_parameters();
  for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot) {
    const Parameter& parameter = parameters[parameter_of_slot_[slot]];
    parameter.variable.set_value(Tensor::view(arena.data() + layout_.slots()[slot].begin, parameter.shape));
  }
}

StepOutcome TrainingStep::run(const Step& batch, std::int64_t number, double learning_rate, StepWishes wishes) {
  const auto grains = static_cast<std::size_t>(settings_.grains);
  const auto first_grain = static_cast<std::size_t>(buckets_->own_grains().begin);
  std::vector<double> losses(grains);
  std::vector<double> weights(grains);
  std::int64_t tokens = 0;
  buckets_->begin_step();
  for (std::size_t g = 0; g < batch.grains.size(); ++g) {
    const LossSum sum = run_grain(batch.grains[g], buckets_->begin_grain(), number, tokens);
    buckets_->end_grain();
    losses[first_grain + g] = sum.loss;
    weights[first_grain + g] = sum.weight;
  }
  buckets_->finish();

  // One small reduction for everything that all ranks must agree on. Each number but the last three comes from exactly
  // one rank, so adding the others' zeros changes no bit.
  std::vector<double> shared = optimizer_->chunk_square_sums(buckets_->exchange().reduced());
  const std::size_t chunks = shared.size();
  shared.insert(shared.end(), losses.begin(), losses.end());
  shared.insert(shared.end(), weights.begin(), weights.end());
  shared.push_back(static_cast<double>(tokens));
  shared.push_back(wishes.stop ? 1.0 : 0.0);
  shared.push_back(wishes.save ? 1.0 : 0.0);
  communicator_.all_reduce(std::span(shared), Reduction::sum);
  const std::span<const double> all(shared);

  StepOutcome outcome;
  const double loss = tree_sum(all.subspan(chunks, grains));
  outcome.weight = tree_sum(all.subspan(chunks + grains, grains));
  outcome.tokens = static_cast<std::int64_t>(all[chunks + 2 * grains]);
  outcome.stop_requested = all[chunks + 2 * grains + 1] > 0.0;
  outcome.save_due = all[chunks + 2 * grains + 2] > 0.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < chunks; ++i) squares += all[i];
  if (!std::isfinite(loss) || !std::isfinite(squares))
    throw Error(
        "step {}: the {} is not finite; the learning rate of {} may be too high, or the data hold values that "
        "the model cannot take. The last checkpoint is good",
        number + 1, std::isfinite(loss) ? "gradient" : "loss", learning_rate);

  // A batch without anything to count (masked tokens, say) leaves the parameters as they are.
  if (outcome.weight > 0.0) {
    outcome.loss = loss / outcome.weight;
    outcome.gradient_norm = std::sqrt(squares) / outcome.weight;
    double scale = 1.0 / outcome.weight;
    if (settings_.clip_norm > 0.0) scale *= std::min(1.0, settings_.clip_norm / (outcome.gradient_norm + 1e-6));
    optimizer_->step(buckets_->exchange().parameters(), buckets_->exchange().reduced(), learning_rate, scale);
  }
  buckets_->exchange().share_parameters();
  return outcome;
}

LossSum TrainingStep::run_grain(const std::vector<Batch>& micro_batches, float* gradients, std::int64_t number,
                                std::int64_t& tokens) {
  const auto& parameters = model_.parameters().all();
  for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot) {
    const Parameter& parameter = parameters[parameter_of_slot_[slot]];
    parameter.variable.bind_gradient(Tensor::view(gradients + layout_.slots()[slot].begin, parameter.shape),
                                     static_cast<std::int64_t>(slot));
  }
  std::size_t last = micro_batches.size();
  while (last > 0 && micro_batches[last - 1].sequences() == 0) --last;
  LossSum sum;
  for (std::size_t i = 0; i < last; ++i) {
    if (micro_batches[i].sequences() == 0) continue;
    const DeviceBatch batch = to_device(micro_batches[i], settings_.loss.task, /*labelled=*/true, device_);
    tokens += batch.input.tokens();
    Tape tape(device_, Tape::Mode::training, random_key(settings_.seed, static_cast<std::uint64_t>(number)));
    const LossSum part = task_loss(tape, model_.forward(tape, batch.input, batch.selection), batch, settings_.loss);
    sum.loss += part.loss;
    sum.weight += part.weight;
    const bool final = i + 1 == last;
    tape.backward([&](std::int64_t slot) {
      if (final) buckets_->complete(slot);
    });
  }
  // A parameter that only an earlier micro-batch reached is complete as well; the others are cleared.
  for (std::size_t slot = 0; slot < parameter_of_slot_.size(); ++slot)
    if (parameters[parameter_of_slot_[slot]].variable.gradient_written())
      buckets_->complete(static_cast<std::int64_t>(slot));
  return sum;
}

void TrainingStep::release_values() {
  for (const std::size_t index : parameter_of_slot_) {
    const Parameter& parameter = model_.parameters().all()[index];
    const Tensor copy = Tensor::empty(device_.memory(), parameter.shape);
    device_.kernels().copy(parameter.variable.value().data<float>(), copy.data<float>(), copy.size(), false);
    parameter.variable.set_value(copy);
    parameter.variable.bind_gradient(Tensor(), -1);
  }
  communicator_.barrier();
}

std::int64_t TrainingStep::gradient_bytes() const {
  return static_cast<std::int64_t>(sizeof(float)) * layout_.elements() * buckets_->buffers();
}

}  // namespace temper
