// Writes a trained model as a Hugging Face folder, with a model card that says where it comes from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/gguf/ggml_type.h"
#include "model/huggingface/lineage.h"
#include "model/model.h"
#include "runtime/inputs/run_model.h"
#include "runtime/inputs/trained_use.h"
#include "tensor/device.h"

namespace temper {

struct RunData;

/// Where the model of a run comes from; digest of the base model, steps and metrics are left to be filled in.
Lineage lineage_of(const Configuration& configuration, const std::filesystem::path& base_model, const RunData& data,
                   int ranks);

/// Says in the lineage which class is positive, where thresholds stand and what the temperature is; of a model that
/// tells images apart also that it is no medical device. `calibration`: nothing where none was chosen.
void tell_reading(Lineage& lineage, const TaskSpec& task, const std::optional<Calibration>& calibration);

/// One process writes; the model's values must be complete in it. `lineage.title`, `.architecture` and
/// `.hub_pipeline` are filled in.
/// `use` goes beside the model as temper.json.
void export_trained_model(const Model& model, Device& device, const TaskSpec& task, const ExportSource& source,
                          const std::vector<std::string>& labels, const TrainedUse& use, Lineage lineage,
                          const std::filesystem::path& target_folder);

/// Adapters as PEFT has them, with the tokenizer, a card and temper.json, which also names the labels; `base_model` is
/// where the base lies.
void export_trained_adapter(const RunModel& model, Device& device, const TaskSpec& task, const ExportSource& source,
                            const std::vector<std::string>& labels, TrainedUse use, Lineage lineage,
                            const std::string& base_model, const std::filesystem::path& target_folder);

/// The same as a GGUF file, its matrices in this type; for causal language models. The tokens that end an answer go
/// along, as far as the format has places for them: an end token, one of turns and one of messages.
void export_gguf_model(const Model& model, Device& device, const ModelFolder& folder, GgmlType type,
                       const TrainedUse& use, const std::filesystem::path& target_file);

}  // namespace temper
