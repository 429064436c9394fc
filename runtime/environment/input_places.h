// The places that a run reads from, and a check that it does not write there or move older results away from there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/config/config.h"

namespace temper {

/// A data file that the configuration names.
struct DataInput {
  std::string key;  ///< "data.train"
  std::filesystem::path path;
};

/// Those that are set, in the order train, validation, test.
std::vector<DataInput> data_inputs(const Configuration& configuration);

/// One process, before anything is made or moved. Throws a usage Error if output.dir is the base model's folder or lies
/// in it, or if the base model, one of its files or a data file lies in what a run replaces or sets aside in output.dir
/// (checkpoints, model, ...). Links are followed.
void require_inputs_apart(const Configuration& configuration);

}  // namespace temper
