// The HDF5 part of a checkpoint: making the file with its text and empty tensors, and reading it. HDF5 is not
// thread-safe; only the main thread comes here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/checkpoints/checkpoint.h"

namespace temper {

/// What HDF5 knows of a checkpoint.
struct Hdf5Layout {
  std::string state_json;
  std::string configuration_toml;
  std::string lineage_json;
  std::int64_t step = 0;
  std::vector<CheckpointTensor> tensors;
  std::vector<std::uint64_t> offsets;  ///< [tensors] where each tensor's first byte lies in the file
};

/// Makes the file: text and attributes written, tensors allocated in one piece each and not written. Gives their
/// places. Throws Error.
std::vector<std::uint64_t> create_hdf5_file(const std::filesystem::path& file, const CheckpointContent& content);

/// Throws Error if the file is no HDF5 file or lacks a part.
Hdf5Layout read_hdf5_layout(const std::filesystem::path& file);

}  // namespace temper
