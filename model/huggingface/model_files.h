// Which files of a Hugging Face model folder are read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace temper {

struct ModelFiles {
  std::vector<std::filesystem::path> texts;    ///< configuration and tokenizer, those that may be there
  std::vector<std::filesystem::path> weights;  ///< as WeightFiles::open() chooses them
};

/// Whether an index may name this shard: it lies beside its index, for a path could name any file of the machine.
bool is_shard_name(const std::string& name);

/// What may be read of this folder, whether it is there or not. The shards are those that the index names; none where
/// it cannot be read, which whoever opens the weights says.
ModelFiles model_files(const std::filesystem::path& folder);

}  // namespace temper
