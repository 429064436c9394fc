#include "runtime/steps/parameter_updates.h"

#include <algorithm>

namespace temper {

std::vector<std::int64_t> begin_updates(TrainingState& state, const Model& model, bool continues) {
  const auto& parameters = model.parameters().all();
  std::vector<std::int64_t> updates(parameters.size(), 0);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].trainable()) continue;
    const auto known = std::find_if(state.changed.begin(), state.changed.end(),
                                    [&](const auto& entry) { return entry.first == parameters[i].name; });
    if (known == state.changed.end()) {
      state.changed.emplace_back(parameters[i].name, 0);
    } else if (continues) {
      updates[i] = known->second;
    }
  }
  return updates;
}

void note_statistics(TrainingState& state, const Model& model) {
  for (const std::string& name : names_of_statistics(model))
    if (std::none_of(state.changed.begin(), state.changed.end(),
                     [&](const auto& entry) { return entry.first == name; }))
      state.changed.emplace_back(name, 0);
}

void note_updates(TrainingState& state, const Model& model, TrainingStep& step) {
  const auto slots = step.store().parameter_of_slot();
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    const std::string& name = model.parameters().all()[slots[slot]].name;
    for (auto& [changed, updates] : state.changed)
      if (changed == name) updates = step.optimizer().slots()[slot].updates;
  }
}

}  // namespace temper
