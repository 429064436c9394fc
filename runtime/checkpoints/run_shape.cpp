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

std::string idle_ranks_note(int ranks, int grains) {
  if (ranks <= grains) return "";
  return fmt::format(
      "{} ranks share {}: {} of them {} nothing to compute; set train.grains to at least the number of ranks at the "
      "first start of a run",
      ranks, counted(grains, "grain"), ranks - grains, plural(ranks - grains, "has", "have"));
}

void warn_of_shape(const TrainingState& state, bool fixed, const Device& device, Communicator& communicator,
                   const std::function<void(const std::string&)>& say) {
  if (const std::string idle = idle_ranks_note(communicator.size(), state.grains); !idle.empty()) say(idle);
  const std::string crowding = crowding_note(cores_of_nodes(communicator), state.threads, fixed);
  if (device.kind() == DeviceKind::cpu && !crowding.empty()) say(crowding);
}

}  // namespace temper
