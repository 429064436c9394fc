// Whether a checkpoint's files of data are those of now.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "model/huggingface/lineage.h"

namespace temper {

/// Compares the files of training and those of validation, each by digest and in their order; names do not matter where
/// the content is the same. Throws a usage Error where other files, or the same in another order, are configured, and
/// Error where one has changed. Of a role without files before or now nothing is said.
void require_same_data_files(const std::filesystem::path& checkpoint, std::span<const DataFileLineage> before,
                             std::span<const DataFileLineage> now);

/// Whether both have files of this role ("train", "validation", "test"), and these the same content in the same order.
bool same_content(const std::string& role, std::span<const DataFileLineage> before,
                  std::span<const DataFileLineage> now);

}  // namespace temper
