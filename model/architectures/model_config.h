// config.json of a Hugging Face folder: what the program reads of it, whatever the architecture. The keys that describe
// a network are read by the architecture's own file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/architectures/architecture.h"

namespace temper {

struct ModelConfig : ModelSizes {
  std::string model_type = {};                  ///< one of supported_model_types()
  std::vector<std::string> architectures = {};  ///< as in the file, e.g. "BertForMaskedLM"; may be empty
  std::vector<std::string> labels = {};         ///< id2label in the order of the ids; empty where the file has none
  std::string problem_type = {};                ///< "regression", "single_label_classification", ...; may be empty
  std::string json = {};                        ///< the file's own text
  std::filesystem::path folder = {};
};

/// Reads and checks folder/config.json. Throws Error naming file, key, what was found, what is expected, what to do:
/// an unsupported model_type (the supported ones are listed), id2label with a gap, and what the architecture refuses.
ModelConfig read_model_config(const std::filesystem::path& folder);
/// Of the file's text; `folder` for messages and for what is read from there later.
ModelConfig parse_model_config(std::string json, const std::filesystem::path& folder);

/// Values of model_type that can be read: "bert", "distilbert", "roberta".
std::vector<std::string> supported_model_types();

}  // namespace temper
