#include "runtime/checkpoints/run_shape.h"

#include <fmt/format.h>

#include <vector>

#include "tensor/device.h"

namespace temper {

void fix_shape(TrainingState& state, const Configuration& configuration, Communicator& communicator) {
  state.grains = configuration.train.grains > 0 ? static_cast<int>(configuration.train.grains) : communicator.size();
  state.threads = configuration.run.threads > 0 ? static_cast<int>(configuration.run.threads)
                                                : default_cpu_threads(communicator.topology().local_size);
  // Ranks with more or fewer cores than the others would cut products differently.
  std::vector<std::int64_t> threads{state.threads};
  communicator.all_reduce(std::span(threads), Reduction::min);
  state.threads = static_cast<int>(threads.front());
}

void warn_of_idle_ranks(const TrainingState& state, const Communicator& communicator,
                        const std::function<void(const std::string&)>& say) {
  if (communicator.size() <= state.grains) return;
  say(fmt::format(
      "{} ranks share {} grains: {} of them have nothing to compute; set train.grains to at least the number "
      "of ranks at the first start of a run",
      communicator.size(), state.grains, communicator.size() - state.grains));
}

}  // namespace temper
