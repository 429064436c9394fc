#include "tensor/stages.h"

#include <algorithm>
#include <utility>

namespace temper {

Variable run_stages(Tape& tape, std::int64_t first, std::int64_t last, const CheckpointPolicy& policy, Variable in,
                    const std::function<Variable(Tape&, std::int64_t, const Variable&)>& run) {
  const auto through = [run](Tape& on, std::int64_t begin, std::int64_t end, Variable hidden) {
    for (std::int64_t stage = begin; stage < end; ++stage)
      hidden = on.stage(stage, [&](Tape& inside) { return run(inside, stage, hidden); });
    return hidden;
  };
  std::int64_t stage = first;
  while (policy.stages_between > 0 && stage + policy.kept_on_top < last) {
    const std::int64_t end = std::min(stage + policy.stages_between, last);
    in = tape.recompute([through, stage, end, in](Tape& on) { return through(on, stage, end, in); });
    stage = end;
  }
  return through(tape, stage, last, std::move(in));
}

}  // namespace temper
