// Whether a run goes on from a checkpoint of its folder: only with the configuration, base model and training data that
// the checkpoint was made with, since anything else would be another run under the same name.
#pragma once

#include <optional>

#include "model/huggingface/model_card.h"
#include "runtime/checkpoint_folder.h"
#include "runtime/config.h"

namespace temper {

/// Collective. The newest good checkpoint in output.dir; nothing where there is none or checkpoint.resume is off.
/// Throws a usage Error that lists the keys in which the configurations differ.
std::optional<FoundCheckpoint> find_checkpoint_to_resume(const Configuration& configuration, Communicator& communicator,
                                                         const std::function<void(const std::string&)>& warn);

/// Throws Error if the checkpoint was made from another base model or from other training data than `now` tells of.
void require_same_origin(const FoundCheckpoint& found, const Lineage& now, const std::filesystem::path& base_model);

}  // namespace temper
