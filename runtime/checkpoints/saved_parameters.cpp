#include "runtime/checkpoints/saved_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <vector>

#include "base/error.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

constexpr const char* kParameters = "parameters/";
/// Where checkpoints of format 1 keep the first two arrays of a rule.
constexpr std::array<const char*, 2> kFormerArrays{"first_moments/", "second_moments/"};

std::string state_name(const StateArray& array, const Parameter& parameter) {
  return fmt::format("state/{}/{}", array.name, parameter.name);
}

/// What the array is of: the whole parameter, its rows or its columns.
std::vector<std::int64_t> extents_of(const StateArray& array, const Parameter& parameter) {
  const MatrixExtent matrix = matrix_extent(parameter.shape);
  if (array.is_whole()) return {array.elements(parameter.size(), matrix.rows, matrix.columns)};
  const auto extents = parameter.shape.extents();
  return {extents.begin(), extents.end()};
}

std::vector<std::int64_t> extents_of(const Parameter& parameter) {
  const auto extents = parameter.shape.extents();
  return {extents.begin(), extents.end()};
}

/// Collects tensors, the same on all ranks, and this rank's slices of them.
class ContentBuilder {
 public:
  explicit ContentBuilder(CheckpointContent& content) : content_(content) {}

  std::size_t add(const std::string& name, std::vector<std::int64_t> extents) {
    content_.tensors.push_back({name, std::move(extents)});
    return content_.tensors.size() - 1;
  }
  void slice(std::size_t tensor, std::int64_t begin, HostCopy values) {
    copies_.push_back(std::move(values));
    content_.slices.push_back({tensor, begin, copies_.back().values()});
  }

 private:
  CheckpointContent& content_;
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
  ContentBuilder builder(content);

  const auto& parameters = model.parameters().all();
  const ParameterStore& store = step.store();
  const auto slots = store.parameter_of_slot();
  Optimizer& optimizer = step.optimizer();
  const std::vector<StateArray>& arrays = optimizer.rule().state;
  std::vector<std::size_t> values;                                    // of each slot, the tensor
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> states;  // of each slot and array that it has
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    const Parameter& parameter = parameters[slots[slot]];
    values.push_back(builder.add(kParameters + parameter.name, extents_of(parameter)));
    const MatrixExtent matrix = matrix_extent(parameter.shape);
    for (std::size_t i = 0; i < arrays.size(); ++i)
      if (arrays[i].elements(parameter.size(), matrix.rows, matrix.columns) > 0)
        states[{slot, i}] = builder.add(state_name(arrays[i], parameter), extents_of(arrays[i], parameter));
  }
  for (const ParameterStore::OwnSlice& slice : store.own_slices())
    builder.slice(values[slice.slot], slice.begin,
                  store.read(slots[slice.slot], {slice.begin, slice.begin + slice.size}));
  const auto turn_of = [&](std::size_t number) { return number % static_cast<std::size_t>(communicator.size()); };
  for (const Optimizer::StateSlice& slice : optimizer.state())
    if (!slice.whole || turn_of(slice.slot) == static_cast<std::size_t>(communicator.rank()))
      builder.slice(states.at({slice.slot, slice.array}), slice.begin,
                    HostCopy(device, slice.values, static_cast<std::size_t>(slice.size)));
  // What earlier phases trained, or what was drawn anew, and is frozen now: the ranks take turns.
  int turn = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool changed = std::any_of(state.changed.begin(), state.changed.end(),
                                     [&](const auto& entry) { return entry.first == parameters[i].name; });
    if (!changed || std::find(slots.begin(), slots.end(), i) != slots.end()) continue;
    const std::size_t tensor = builder.add(kParameters + parameters[i].name, extents_of(parameters[i]));
    if (turn++ % communicator.size() == communicator.rank())
      builder.slice(tensor, 0, store.read(i, {0, parameters[i].size()}));
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
    const Parameter& parameter = model.parameters().all()[step.store().parameter_of_slot()[slice.slot]];
    std::string name = state_name(step.optimizer().rule().state[slice.array], parameter);
    if (!has(name) && slice.array < kFormerArrays.size()) name = kFormerArrays[slice.array] + parameter.name;
    if (!has(name)) continue;
    std::vector<float> values(static_cast<std::size_t>(slice.size));
    checkpoint.read(name, slice.begin, values);
    device.upload(values.data(), slice.values, values.size() * sizeof(float));
  }
}

}  // namespace temper
