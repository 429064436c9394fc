// Stages: the parts of a model that run one after the other, each on the output of the one below. Who observes them is
// told where each begins and ends.
//
// What a reader would otherwise get wrong: an observer sees the same stage several times in a step. Where activations
// are not kept, its forward pass runs once more inside the backward pass, before its own.
#pragma once

#include <cstdint>

#include "tensor/tape.h"

namespace temper {

enum class StagePass : std::uint8_t {
  forward,   ///< the first
  again,     ///< of a stage whose activations were not kept: forward, inside the backward pass
  backward,  ///< only of stages that have something to train
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
  /// `output` is the stage's, of a forward pass; undefined in the backward pass.
  virtual void after(std::int64_t stage, StagePass pass, const Variable& output) = 0;
};

}  // namespace temper
