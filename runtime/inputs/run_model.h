// The model of a run together with its folder's configuration, tokenizer and weights.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/images/image_processor.h"
#include "data/tokenizer/ggml_vocabulary.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_folder.h"
#include "model/adapters/lora.h"
#include "model/architectures/model_config.h"
#include "model/architectures/registry.h"
#include "model/huggingface/weight_files.h"
#include "model/weights.h"
#include "runtime/tasks/task.h"
#include "tensor/device.h"

namespace temper {

/// What of a base model goes along when a trained one is exported.
struct ExportSource {
  std::filesystem::path folder;
  std::map<std::string, std::string> tokenizer_files;  ///< name and content: they tokenise as was done in training
  std::string generation_config = {};                  ///< text of generation_config.json; empty: there is none
  ImageExtent images = {};                             ///< what a model of images reads
  std::string pretrained_cfg = {};  ///< of a model of timm; a folder with it has no preprocessor_config.json
};

/// The newest checkpoint of a run's folder, or of its folder of checkpoints; empty where there is none.
std::filesystem::path newest_checkpoint_of(const std::filesystem::path& folder);

/// The folder itself, unless it is another thing that a run leaves behind: then throws Error naming what to give
/// instead.
const std::filesystem::path& as_model_folder(const std::filesystem::path& folder);

/// A Hugging Face folder whose configuration and tokenizer have been read and belong together.
struct ModelFolder {
  std::filesystem::path path;
  std::filesystem::path tokenizer_path;  ///< where the files of the tokenizer lie: an adapter may have its own
  ModelConfig config;
  TruncationSide side;
  std::vector<std::string> notes;           ///< of the tokenizer, a sentence each, for the user
  std::unique_ptr<Tokenizer> tokenizer;     ///< null of a model of images
  std::optional<ImageProcessor> processor;  ///< of such; in the size that is asked for, once that is known
  std::string own_chat_template;  ///< a text that takes the place of the folder's in exports; empty: that stays

  /// Throws Error if a file is missing or damaged, if the tokenizer belongs to another vocabulary, and, naming what to
  /// give instead, for the folder of a run and for a checkpoint.
  /// `adapter`: the folder of one that goes on the model; it is read as it was trained, so where this folder has a
  /// tokenizer or a chat template, that takes the place of the model's. Empty: there is none.
  explicit ModelFolder(const std::filesystem::path& folder, TruncationSide truncation = TruncationSide::as_tokenizer,
                       const std::filesystem::path& adapter = {});
  /// Sets the size of images that is asked for; 0: as the folder says. Throws a usage Error for one that the model
  /// cannot take.
  void set_image_size(std::int64_t size);
  /// Maximum tokens per row: the request, limited to the model's positions.
  [[nodiscard]] std::int64_t max_length(std::int64_t requested) const;
  /// What an export takes from here. Throws Error if the tokenizer's files have changed since they were read.
  [[nodiscard]] ExportSource source() const;
  /// The tokenizer as a GGUF file lists it. Throws Error as source() does, and for tokenizers that GGUF cannot name.
  [[nodiscard]] GgmlVocabulary ggml_vocabulary() const;

 private:
  void read_tokenizer(TokenizerFolder tokenizer_folder, const std::filesystem::path& chat_template);
};

/// The files of a folder that its tokenizer and its chat templates are made of, those that are there.
std::vector<std::filesystem::path> tokenizer_files_of(const std::filesystem::path& folder);

/// data.truncate of a configuration.
TruncationSide truncation_side(const std::string& truncate);

/// What there is to say about a folder before a run: the notes, and that rows end below data.max_length. `longer`: what
/// then becomes of texts.
std::vector<std::string> folder_notes(const ModelFolder& folder, std::int64_t max_length, const char* longer);
/// One sentence where a head that is to read what stands before a text reads the text's first token; else empty.
std::string first_token_note(const ModelFolder& folder, const Readout& readout);

/// A model with its weights. The weights' files stay mapped as long as it lives.
struct RunModel {
  WeightFiles files;
  std::unique_ptr<SharedWeightRoom> room;  ///< for what is converted once per node; null: each rank converts
  std::unique_ptr<Model> model;
  LoadReport report;
  std::optional<Lora> lora = {};  ///< adapters beside the model (runtime/inputs/run_adapter.h)

  /// dropout < 0: the rates of config.json; else it replaces them all. With a communicator, making it is collective,
  /// and so is giving it up: what is not read as it lies in the files is converted once per node
  /// (runtime/inputs/node_weights.h).
  RunModel(const ModelFolder& folder, const HeadRequest& request, double dropout, const LoadOptions& options,
           Device& device, Communicator* communicator = nullptr);
};

/// One sentence about a model from nothing: how many weights were drawn, and by which seed.
std::string initialized_note(const Model& model, std::uint64_t seed);

/// The task that a fine-tuned model's config.json tells of: as in transformers, a head over sequences with one output
/// gives a number unless problem_type says something else. Throws Error if it names no architecture with a head.
const TaskSpec& task_of(const ModelConfig& config);

/// One sentence where a stored head is trained further under other names than it has in `stored` (config.json's
/// id2label), else an empty text. `names`: of the run.
std::string kept_head_note(const LoadReport& report, const std::vector<std::string>& stored,
                           const std::vector<std::string>& names);

}  // namespace temper
