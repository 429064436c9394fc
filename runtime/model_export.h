// Writes a trained model as a Hugging Face folder, with a model card that says where it comes from.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/huggingface/model_card.h"
#include "model/model.h"
#include "runtime/run_model.h"
#include "tensor/device.h"

namespace temper {

/// One process writes; the model's values must be complete in it. `lineage.title` and `.architecture` are filled in.
void export_trained_model(const Model& model, Device& device, Task task, const ExportSource& source,
                          const std::vector<std::string>& labels, Lineage lineage,
                          const std::filesystem::path& target_folder);

/// The lineage as JSON, for a checkpoint, and back.
std::string lineage_to_json(const Lineage& lineage);
/// Throws Error if the text is no lineage.
Lineage parse_lineage(const std::string& json);

}  // namespace temper
