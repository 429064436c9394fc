// What a run saves and restores: which tensors, and which rank writes which part.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "model/model.h"
#include "runtime/checkpoints/checkpoint.h"
#include "runtime/steps/training_state.h"
#include "runtime/steps/training_step.h"

namespace temper {

/// What a checkpoint holds besides tensors and state.
struct CheckpointTexts {
  std::string configuration_toml;
  std::string lineage_json;
};

/// Collective. Saves the parameters listed in state.changed and the optimizer state of those that are trained now.
void save_training(const std::filesystem::path& file, const TrainingState& state, const CheckpointTexts& texts,
                   const Model& model, TrainingStep& step, Device& device, Communicator& communicator);

/// Gives the model's parameters the values that the checkpoint holds; the others keep theirs. Throws Error where the
/// checkpoint holds a parameter that the model lacks, or of another shape: it belongs to another model.
void restore_parameters(const Checkpoint& checkpoint, Model& model, Device& device);

/// Fills this rank's part of the update rule's state from the checkpoint. Parameters without state there keep zero.
void restore_moments(const Checkpoint& checkpoint, const Model& model, TrainingStep& step, Device& device);

}  // namespace temper
