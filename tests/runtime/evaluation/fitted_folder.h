// A folder of a fine-tuned tiny model, as an export writes it; the head is drawn, not trained.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/model.h"
#include "runtime/inputs/trained_use.h"

namespace temper::testing_support {

/// Writes folder/base and folder/fitted, and gives the latter. `labels` are empty for tasks without them.
std::filesystem::path write_fitted_folder(const std::filesystem::path& folder, const TaskSpec& task,
                                          const std::vector<std::string>& labels, const TrainedUse& use = {});

}  // namespace temper::testing_support
