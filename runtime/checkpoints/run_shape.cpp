#include "runtime/checkpoints/run_shape.h"

#include <fmt/format.h>

#include "base/counted.h"
#include "runtime/environment/node_cores.h"

namespace temper {

void fix_shape(TrainingState& state, const Configuration& configuration, Communicator& communicator) {
  state.grains = configuration.train.grains > 0 ? static_cast<int>(configuration.train.grains) : communicator.size();
  state.threads =
      configuration.run.threads > 0 ? static_cast<int>(configuration.run.threads) : default_threads(communicator);
}

void warn_of_shape(const TrainingState& state, bool fixed, const Device& device, Communicator& communicator,
                   const std::function<void(const std::string&)>& say) {
  if (communicator.size() > state.grains)
    say(fmt::format(
        "{} ranks share {}: {} of them {} nothing to compute; set train.grains to at least the number of ranks at the "
        "first start of a run",
        communicator.size(), counted(state.grains, "grain"), communicator.size() - state.grains,
        plural(communicator.size() - state.grains, "has", "have")));
  const std::string crowding = crowding_note(cores_of_nodes(communicator), state.threads, fixed);
  if (device.kind() == DeviceKind::cpu && !crowding.empty()) say(crowding);
}

}  // namespace temper
