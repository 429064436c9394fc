// What eval and predict need to know about the training: temper.json, a small file that an export writes next to the
// files of transformers (which ignores it). Folders from elsewhere do not have it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/tasks/row_measures.h"
#include "runtime/tasks/task.h"

namespace temper {

struct Configuration;

/// How conversations were read, in the words of the configuration.
struct ConversationUse {
  std::string learn = "assistant";
  std::vector<std::string> roles{"assistant"};
  bool has_template = true;  ///< that of the folder; else prompt and answer were one text
  std::string date;          ///< that templates write

  friend bool operator==(const ConversationUse&, const ConversationUse&) = default;
};

/// Which picture of a file was read, in the words of the configuration.
struct ImageUse {
  std::int64_t frame = -1;
  std::int64_t axis = 2;
  std::int64_t slice = -1;
  std::vector<double> window;
  std::int64_t most_megapixels = 256;

  friend bool operator==(const ImageUse&, const ImageUse&) = default;
};

/// How the rows were read that a model was trained on. What a file does not say is absent: files of older versions say
/// less, those of newer ones more.
struct TrainedUse {
  std::string program_version;
  std::string task;                        ///< as in the configuration: "sequence-classification", ...
  std::optional<std::string> text;         ///< column of the text, or of the path of a picture
  std::optional<std::string> text_pair;    ///< column of the second text; empty: one text per row
  std::vector<std::string> label;          ///< column of the label, or one column per label; empty: not said, or none
  bool label_listed = false;               ///< one column per label, even if it is one only
  std::optional<std::string> group;        ///< column of what pictures belong to; nothing: of no groups, or not said
  std::optional<std::int64_t> max_length;  ///< tokens per row, special ones included
  std::optional<std::string> pack;         ///< of running text, as in the configuration
  std::optional<std::string> long_documents;
  std::optional<std::string> end_token;
  std::optional<std::string> documents;
  std::optional<std::int64_t> stride;            ///< between the windows in which running text was measured; 0: pieces
  std::optional<ConversationUse> conversations;  ///< nothing where rows were no conversations
  std::optional<ImageUse> images;                ///< of a model of images
  std::optional<double> threshold;               ///< of several labels: one whose probability is above it is predicted
  std::optional<std::int64_t> masking_seed;      ///< which tokens an evaluation masks
  std::vector<std::string> labels;               ///< of an adapter, which has no config.json that names them
  std::optional<std::int64_t> steps;             ///< of the optimiser, after which the model was as it is
  std::optional<Calibration> calibration;        ///< thresholds and temperature, of the validation rows

  friend bool operator==(const TrainedUse&, const TrainedUse&) = default;
};

/// Of a run with this configuration; `max_length`: as the model's positions allow.
TrainedUse trained_use(const Configuration& configuration, const TaskSpec& task, std::int64_t max_length);

/// The text of temper.json.
std::string to_json(const TrainedUse& use);
/// The text of its member "calibration".
std::string calibration_to_json(const Calibration& calibration);
/// `name` stands for the file in messages. Throws Error for what is no JSON object, and for a member of another type
/// than to_json gives it; members that are missing or unknown are passed over.
TrainedUse parse_trained_use(const std::string& json, const std::string& name);

/// Of folder/temper.json, or of a GGUF file in the folder's place; nothing where there is none. Throws Error as
/// parse_trained_use does.
std::optional<TrainedUse> read_trained_use(const std::filesystem::path& folder);

}  // namespace temper
