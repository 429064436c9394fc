#include "runtime/checkpoints/run_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/counted.h"
#include "runtime/environment/node_cores.h"

namespace temper {

void fix_shape(TrainingState& state, const Configuration& configuration, Communicator& communicator) {
  state.grains = configuration.train.grains > 0 ? static_cast<int>(configuration.train.grains) : communicator.size();
  const NodeTopology& topology = communicator.topology();
  const NodeCores node = cores_of_nodes(communicator)[static_cast<std::size_t>(topology.node)];
  state.threads = default_cpu_threads(topology.local_size);
  if (node.cores > 0) state.threads = std::clamp(node.cores / node.ranks, 1, state.threads);
  if (configuration.run.threads > 0) state.threads = static_cast<int>(configuration.run.threads);
  // Ranks with more or fewer cores than the others would cut products differently.
  std::vector<std::int64_t> threads{state.threads};
  communicator.all_reduce(std::span(threads), Reduction::min);
  state.threads = static_cast<int>(threads.front());
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
