// Writing a fine-tuned model as a Hugging Face folder that transformers loads unchanged.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/image_extent.h"
#include "model/huggingface/safetensors.h"

namespace temper {

struct ExportRequest {
  std::filesystem::path source_folder;  ///< the base model: its config.json goes along
  std::filesystem::path target_folder;
  std::string architecture;  ///< e.g. "BertForSequenceClassification"
  /// Outputs of a head over sequences or tokens; none for models without labels.
  std::optional<std::size_t> outputs;
  /// One per output; where there are none, LABEL_0, LABEL_1, ...
  std::vector<std::string> labels;
  std::string problem_type;                            ///< may be empty
  std::vector<TensorToWrite> tensors;                  ///< under transformers' names
  std::string model_card;                              ///< text of README.md
  std::map<std::string, std::string> tokenizer_files;  ///< name, such as tokenizer.json, and content of each
  std::string generation_config = {};                  ///< text of generation_config.json; empty: none is written
  std::string trained_use = {};                        ///< text of temper.json; empty: none is written
  /// Of a model whose tensors are for images of another size than the source's: that size.
  std::optional<ImageExtent> image_size = {};
  /// JSON of a model of timm: which pictures it reads, "input_size" among it.
  std::string pretrained_cfg = {};
};

/// Writes config.json (the source's, with architectures, id2label, label2id, problem_type and dtype replaced, of timm's
/// num_classes, label_names, problem_type and what is in pretrained_cfg), the
/// tokenizer's files, generation_config.json, model.safetensors, README.md and temper.json. All is built in a hidden
/// folder beside the target and put in its place in one step: a reader sees the old folder or the new. After a failure
/// the old one is untouched and nothing of the new one is left. An existing target is replaced only if it holds nothing
/// but what an export writes; the source folder itself never is. Throws Error; one process at a time may export to a
/// target.
void export_model(const ExportRequest& request);

/// Writes files by their names, which may lie in folders of the folder. Throws Error.
void write_named_files(const std::filesystem::path& folder, const std::map<std::string, std::string>& files);

/// The same for other content: `fill` writes the files into the folder that it is given. Names that an export does not
/// know, in a target that is there already, keep it from being replaced.
void write_exported_folder(const std::filesystem::path& target_folder, const std::filesystem::path& source_folder,
                           const std::function<void(const std::filesystem::path&)>& fill);

}  // namespace temper
