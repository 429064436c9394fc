#include "runtime/checkpoints/saved_parameters.h"

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

#include "base/error.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

constexpr const char* kParameters = "parameters/";
constexpr const char* kFirstMoments = "first_moments/";
constexpr const char* kSecondMoments = "second_moments/";

std::vector<std::int64_t> extents_of(const Parameter& parameter) {
  const auto extents = parameter.shape.extents();
  return {extents.begin(), extents.end()};
}

/// Collects tensors, the same on all ranks, and this rank's slices of them.
class ContentBuilder {
 public:
  ContentBuilder(CheckpointContent& content, Device& device) : content_(content), device_(device) {}

  std::size_t add(const std::string& name, const Parameter& parameter) {
    content_.tensors.push_back({name, extents_of(parameter)});
    return content_.tensors.size() - 1;
  }
  /// `count` elements on the device.
  void slice(std::size_t tensor, std::int64_t begin, const float* values, std::int64_t count) {
    copies_.emplace_back(device_, values, static_cast<std::size_t>(count));
    content_.slices.push_back({tensor, begin, copies_.back().values()});
  }

 private:
  CheckpointContent& content_;
  Device& device_;
  std::deque<HostCopy> copies_;
};

}  // namespace

void save_training(const std::filesystem::path& file, const TrainingState& state, const CheckpointTexts& texts,
                   const Model& model, TrainingStep& step, Device& device, Communicator& communicator) {
  CheckpointContent content;
  content.state_json = to_json(state);
  content.configuration_toml = texts.configuration_toml;
  content.lineage_json = texts.lineage_json;
  content.step = state.step;
  ContentBuilder builder(content, device);

  const auto& parameters = model.parameters().all();
  const auto slots = step.parameter_of_slot();
  const bool second_moments = step.optimizer().settings().kind == OptimizerKind::adamw;
  struct SlotTensors {
    std::size_t parameter;
    std::size_t first;
    std::size_t second;
  };
  std::vector<SlotTensors> of_slot;
  for (const std::size_t index : slots) {
    const Parameter& parameter = parameters[index];
    of_slot.push_back({builder.add(kParameters + parameter.name, parameter),
                       builder.add(kFirstMoments + parameter.name, parameter),
                       second_moments ? builder.add(kSecondMoments + parameter.name, parameter) : 0});
  }
  for (const Optimizer::StateSlice& slice : step.optimizer().state()) {
    const SlotTensors& tensors = of_slot[slice.slot];
    const float* value = parameters[slots[slice.slot]].variable.value().data<float>();
    builder.slice(tensors.parameter, slice.begin, value + slice.begin, slice.size);
    builder.slice(tensors.first, slice.begin, slice.first, slice.size);
    if (second_moments) builder.slice(tensors.second, slice.begin, slice.second, slice.size);
  }
  // What earlier phases trained, or what was drawn anew, and is frozen now: the ranks take turns.
  int turn = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool changed = std::any_of(state.changed.begin(), state.changed.end(),
                                     [&](const auto& entry) { return entry.first == parameters[i].name; });
    if (!changed || std::find(slots.begin(), slots.end(), i) != slots.end()) continue;
    const std::size_t tensor = builder.add(kParameters + parameters[i].name, parameters[i]);
    if (turn++ % communicator.size() == communicator.rank())
      builder.slice(tensor, 0, parameters[i].variable.value().data<float>(), parameters[i].size());
  }
  save_checkpoint(file, content, communicator);
}

void restore_parameters(const Checkpoint& checkpoint, Model& model, Device& device) {
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    if (!tensor.name.starts_with(kParameters)) continue;
    const std::string name = tensor.name.substr(std::string_view(kParameters).size());
    const Parameter* parameter = model.parameters().find(name);
    if (parameter == nullptr || extents_of(*parameter) != tensor.shape)
      throw Error("the checkpoint holds '{}' of shape {}, but this model has {}; it belongs to another model", name,
                  Shape(tensor.shape).text(), parameter == nullptr ? "no such parameter" : parameter->shape.text());
    std::vector<float> values(static_cast<std::size_t>(parameter->size()));
    checkpoint.read(tensor.name, 0, values);
    parameter->variable.set_value(device.upload(std::span<const float>(values), parameter->shape));
  }
}

void restore_moments(const Checkpoint& checkpoint, const Model& model, TrainingStep& step, Device& device) {
  const auto has = [&](const std::string& name) {
    return std::any_of(checkpoint.tensors().begin(), checkpoint.tensors().end(),
                       [&](const CheckpointTensor& tensor) { return tensor.name == name; });
  };
  for (const Optimizer::StateSlice& slice : step.optimizer().state()) {
    const std::string& name = model.parameters().all()[step.parameter_of_slot()[slice.slot]].name;
    if (!has(kFirstMoments + name)) continue;
    std::vector<float> values(static_cast<std::size_t>(slice.size));
    const auto fill = [&](const char* kind, float* moments) {
      checkpoint.read(kind + name, slice.begin, values);
      device.upload(values.data(), moments, values.size() * sizeof(float));
    };
    fill(kFirstMoments, slice.first);
    if (slice.second != nullptr) fill(kSecondMoments, slice.second);
  }
}

}  // namespace temper
