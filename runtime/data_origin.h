// Whether a checkpoint's training files are those of now.
#pragma once

#include <filesystem>
#include <span>

#include "model/huggingface/lineage.h"

namespace temper {

/// Compares the training files by digest, in their order; names do not matter where the content is the same. Throws a
/// usage Error where other files, or the same in another order, are configured, and Error where one has changed.
void require_same_training_files(const std::filesystem::path& checkpoint, std::span<const DataFileLineage> before,
                                 std::span<const DataFileLineage> now);

}  // namespace temper
