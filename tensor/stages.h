// Stages: the parts of a model that run one after the other, each on the output of the one below. What is done at their
// borders, whatever the model, is done here: activation checkpointing, and observers.
//
// Note: an observer sees the same stage several times in a step. Where activations are not kept, its forward pass runs
// once more inside the backward pass, before its own.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/tape.h"

namespace temper {

enum class StagePass : std::uint8_t {
  forward,   ///< the first
  again,     ///< of a stage whose activations were not kept: forward, inside the backward pass
  backward,  ///< only of stages that have something to train
  reading,   ///< none: somebody reads the values of its parameters
};

/// Is told where a stage begins and ends, in the order in which that happens: where its parameters have to be there,
/// and may go.
class StageObserver {
 public:
  StageObserver() = default;
  StageObserver(const StageObserver&) = delete;
  StageObserver& operator=(const StageObserver&) = delete;
  virtual ~StageObserver() = default;

  virtual void before(std::int64_t stage, StagePass pass) = 0;
  /// `output` is the stage's, of a forward pass; undefined in the backward pass, and where the stage ends in a loss.
  virtual void after(std::int64_t stage, StagePass pass, const Variable& output) = 0;
};

/// Which activations training keeps (Chen, Xu, Zhang, Guestrin: "Training deep nets with sublinear memory cost", 2016).
struct CheckpointPolicy {
  /// Only every n-th border's; the others are computed again in the backward pass (Tape::recompute). 0: all.
  std::int64_t stages_between = 0;
  /// All of the topmost so many stages: backward begins there and would compute them again at once.
  std::int64_t kept_on_top = 0;
};

/// Runs stages [first, last), each on the output of the one before, the first on `in`: run(tape, stage, input). It must
/// use the tape that it is given, which may not be this one. The results do not depend on the policy.
Variable run_stages(Tape& tape, std::int64_t first, std::int64_t last, const CheckpointPolicy& policy, Variable in,
                    const std::function<Variable(Tape&, std::int64_t, const Variable&)>& run);

}  // namespace temper
