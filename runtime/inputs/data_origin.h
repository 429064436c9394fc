// Whether a checkpoint's files of data are those of now.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/huggingface/lineage.h"

namespace temper {

/// Roles of files that say how a model reads, and what its adapters began with.
inline constexpr const char* kTokenizerRole = "tokenizer";
inline constexpr const char* kAdapterRole = "adapter";

/// Adds the files of a tokenizer's folder, and those of an adapter that is trained further (empty: none).
void add_model_files(std::vector<DataFileLineage>& files, const std::filesystem::path& tokenizer,
                     const std::filesystem::path& adapter);

/// Compares the files of training, those of validation, the tokenizer's and an adapter's, each by digest and in their
/// order; names do not matter where the content is the same, but where files are mixed by weight, which of them share a
/// name of data.train. Throws a usage Error where other files, or the same in
/// another order, are configured, and Error where one has changed. Of a role without files before or now nothing is
/// said.
void require_same_data_files(const std::filesystem::path& checkpoint, std::span<const DataFileLineage> before,
                             std::span<const DataFileLineage> now);

/// Whether both have files of this role ("train", "validation", "test"), and these the same content in the same order.
bool same_content(const std::string& role, std::span<const DataFileLineage> before,
                  std::span<const DataFileLineage> now);

}  // namespace temper
