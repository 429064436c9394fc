#include "runtime/planning/dry_run.h"

#include <algorithm>
#include <utility>

#include "model/freezing.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"
#include "runtime/steps/parameter_store.h"

namespace temper {
namespace {

bool same(const KernelDemand& demand, const KernelId& kernel, const KernelWork& work) {
  return demand.kernel.name == kernel.name && demand.work.operations == work.operations &&
         demand.work.bytes == work.bytes && demand.work.bf16 == work.bf16;
}

void add(std::vector<KernelDemand>& demands, const KernelId& kernel, const KernelWork& work, std::int64_t calls) {
  const auto known = std::find_if(demands.begin(), demands.end(),
                                  [&](const KernelDemand& demand) { return same(demand, kernel, work); });
  if (known == demands.end()) {
    demands.push_back({kernel, work, calls});
  } else {
    known->calls += calls;
  }
}

}  // namespace

PassDemand& PassDemand::operator+=(const PassDemand& other) {
  for (const KernelDemand& demand : other.kernels) add(kernels, demand.kernel, demand.work, demand.calls);
  forward_operations += other.forward_operations;
  backward_operations += other.backward_operations;
  tokens += other.tokens;
  activation_bytes = std::max(activation_bytes, other.activation_bytes);
  return *this;
}

DryRun::DryRun(const ModelConfig& config, const HeadRequest& request, DType activations, std::vector<DType> held,
               const Configuration* adapters, std::span<const std::string> drawn)
    : activations_(activations),
      device_([this](const KernelId& kernel, const KernelWork& work) { see(kernel, work); }),
      model_(make_model(config, request)),
      held_(std::move(held)) {
  make_values();
  if (adapters != nullptr) lora_ = put_adapters(*model_, device_, *adapters, drawn);
}

void DryRun::make_values() {
  std::size_t in_files = 0;
  for (const Parameter& parameter : model_->parameters().all()) {
    // Adapters are not in the files.
    const bool is_held = parameter.role != ParameterRole::adapter && in_files < held_.size();
    const DType held = is_held ? held_[in_files++] : DType::f32;
    parameter.variable.set_value(Tensor());
    parameter.variable.set_value(
        Tensor::empty(device_.memory(), parameter.shape, parameter.trainable() ? DType::f32 : held));
  }
  ensure_compute_copies(*model_, device_, activations_);
}

void DryRun::configure(std::span<const std::string> freeze, std::int64_t layers_between_checkpoints,
                       bool frozen_dropout) {
  frozen_dropout_ = frozen_dropout;
  apply_freezing(*model_, freeze);
  make_values();
  model_->checkpoint_activations(layers_between_checkpoints);
}

PassDemand DryRun::run(const Batch& batch, bool cached) {
  bool trains_embeddings = false;
  std::int64_t leaf = 0;
  for (const Parameter& parameter : model_->parameters().all()) {
    trains_embeddings |= parameter.trainable() && parameter.stage == 0;
    parameter.variable.bind_gradient(
        parameter.trainable() ? Tensor::empty(device_.memory(), parameter.shape) : Tensor(), leaf++);
  }
  const Tensor sum = Tensor::empty(device_.memory(), {2}, DType::f64);
  device_.reset_peak();
  const std::int64_t before = device_.memory_in_use_bytes();
  pass_ = {};
  {
    const BatchUse use{.labelled = true, .trains_embeddings = trains_embeddings};
    const DeviceBatch on_device = to_device(batch, model_->readout(), use, device_);
    Tape tape(device_, Tape::Mode::training, {}, activations_);
    const std::int64_t below = frozen_dropout_ ? 0 : model_->frozen_stages();
    Variable hidden;
    if (cached) {
      const bool whole = below < model_->stages() || model_->readout().needs_every_token();
      const HiddenShape shape = model_->hidden_shape(below, batch.tokens(), batch.image_extent());
      // Of images, that of each.
      const std::int64_t all = batch.image_extent().pixels() > 0 ? batch.sequences() * shape.rows : shape.rows;
      hidden = Variable(Tensor::empty(device_.memory(), {whole ? all : on_device.rows, shape.width}, activations_));
    }
    model_->loss(tape, on_device.input, on_device.selection, on_device.targets, sum, {below, hidden});
    // Until now all has been counted as backward.
    std::swap(pass_.forward_operations, pass_.backward_operations);
    tape.backward();
  }
  pass_.tokens = batch.tokens();
  pass_.activation_bytes = device_.peak_memory_bytes() - before + device_.kept_by_kernels_bytes();
  return std::move(pass_);
}

PassDemand DryRun::run_frozen(const Batch& batch) {
  device_.reset_peak();
  const std::int64_t before = device_.memory_in_use_bytes();
  pass_ = {};
  {
    const DeviceBatch on_device = to_device(batch, model_->readout(), BatchUse{}, device_);
    Tape tape(device_, Tape::Mode::evaluation, {}, activations_);
    const Variable hidden = model_->hidden_state(tape, on_device.input, on_device.selection, model_->frozen_stages());
  }
  std::swap(pass_.forward_operations, pass_.backward_operations);
  pass_.tokens = batch.tokens();
  pass_.activation_bytes = device_.peak_memory_bytes() - before + device_.kept_by_kernels_bytes();
  return std::move(pass_);
}

PassDemand DryRun::run_reference(const Batch& batch) {
  device_.reset_peak();
  const std::int64_t before = device_.memory_in_use_bytes();
  pass_ = {};
  {
    const DeviceBatch on_device = to_device(batch, model_->readout(), BatchUse{}, device_);
    Tape tape(device_, Tape::Mode::evaluation, {}, activations_);
    const RowLosses losses{Tensor::empty(device_.memory(), {on_device.rows}, DType::f64)};
    model_->row_losses(tape, on_device.input, on_device.selection, on_device.targets,
                       Tensor::empty(device_.memory(), {2}, DType::f64), losses);
  }
  std::swap(pass_.forward_operations, pass_.backward_operations);
  pass_.tokens = batch.tokens();
  pass_.activation_bytes = device_.peak_memory_bytes() - before + device_.kept_by_kernels_bytes();
  return std::move(pass_);
}

void DryRun::see(const KernelId& kernel, const KernelWork& work) {
  pass_.backward_operations += work.operations;
  add(pass_.kernels, kernel, work, 1);
}

std::int64_t DryRun::arena_elements() const { return TrainableSlots(*model_).layout.elements(); }

std::int64_t DryRun::trainable() const {
  std::int64_t elements = 0;
  for (const Parameter& parameter : model_->parameters().all())
    if (parameter.trainable()) elements += parameter.size();
  return elements;
}

std::int64_t DryRun::held_in(DType type) const {
  std::int64_t elements = 0;
  for (const Parameter& parameter : model_->parameters().all())
    if (parameter.variable.value().type() == type) elements += parameter.size();
  return elements;
}

std::int64_t DryRun::frozen_bytes() const {
  std::int64_t bytes = 0;
  for (const Parameter& parameter : model_->parameters().all())
    if (!parameter.trainable()) bytes += parameter.variable.value().size_bytes();
  return bytes;
}

std::int64_t DryRun::untrained_bytes() const {
  std::int64_t bytes = 0;
  std::size_t in_files = 0;
  for (const Parameter& parameter : model_->parameters().all()) {
    const bool is_held = parameter.role != ParameterRole::adapter && in_files < held_.size();
    const DType held = is_held ? held_[in_files++] : DType::f32;
    bytes += parameter.size() * static_cast<std::int64_t>(size_of(held));
    if (activations_ != DType::f32 && held != activations_)
      bytes += parameter.size() * static_cast<std::int64_t>(size_of(activations_));
  }
  return bytes;
}

std::int64_t DryRun::parameters() const {
  std::int64_t elements = 0;
  for (const Parameter& parameter : model_->parameters().all()) elements += parameter.size();
  return elements;
}

}  // namespace temper
