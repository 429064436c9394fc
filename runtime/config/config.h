// The configuration of a run: what a TOML file says, typed and checked. docs/configuration.md lists every key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/updates/update_settings.h"

namespace temper {

struct ModelSection {
  std::string path;
  std::string task = "sequence-classification";
  bool replace_head = false;
  bool initialize = false;
  double dropout = -1.0;  ///< below 0: as the model says
  std::string adapter;    ///< folder of one that is trained further; empty: none
};

/// Of a key that takes a string or an array of strings; the empty string stands for no value.
struct OneOrMore {
  std::vector<std::string> values;
  bool listed = false;  ///< written as an array, which may have one element

  OneOrMore() = default;
  OneOrMore(const std::string& value) {
    if (!value.empty()) values.push_back(value);
  }
  [[nodiscard]] bool empty() const { return values.empty(); }
  /// For messages: the values with commas between them.
  [[nodiscard]] std::string text() const;
};

struct DataSection {
  OneOrMore train;                    ///< files, or patterns of files
  std::vector<double> train_weights;  ///< of each of them; empty: an epoch takes each row once
  OneOrMore validation;
  OneOrMore test;
  std::string text = "text";
  std::string text_pair;
  OneOrMore label{"label"};  ///< listed: one column per label, of 0 and 1
  std::string image = "image";  ///< column of the path of a picture
  std::string group;            ///< column of what rows belong to, a patient, say; empty: none
  std::vector<std::string> labels;
  std::int64_t max_length = 128;
  std::string truncate = "tokenizer";  ///< which end goes of texts that are too long: "tokenizer", "left", "right"
  std::string cache_dir;               ///< empty: <output.dir>/cache
  bool cache = true;
  std::string documents = "line";   ///< what is a document in a .txt file: "line", "paragraph", "file"
  std::string format = "auto";      ///< of a language model's rows: "auto", "text", "conversations"
  std::string learn = "assistant";  ///< of conversations: "assistant" (the roles below), "last", "all"
  std::vector<std::string> learn_roles{"assistant"};
  std::string chat_template = "tokenizer";  ///< "tokenizer", "none", or a file
  std::string template_date = "2024-07-26";
  std::string pack = "documents";        ///< of running text: "documents", "blocks", "none"
  std::string long_documents = "split";  ///< "split", "cut", "refuse", "drop"
  std::string end_token = "tokenizer";   ///< "tokenizer", "none", or the token itself
  bool shuffle = true;
  double validation_fraction = 0.0;
};

/// One phase of a run; it ends by exactly one of epochs, steps, fraction, or, for the last, with the run.
struct PhaseConfig {
  std::vector<std::string> freeze;
  double epochs = 0.0;
  std::int64_t steps = 0;
  double fraction = 0.0;              ///< of the whole run
  std::int64_t plateau_patience = 0;  ///< ends it early after so many evaluations without gain
  std::optional<double> learning_rate;
  std::optional<double> layer_decay;
  std::int64_t warmup_steps = 0;  ///< 0: a twentieth of the phase, for phases after the first
  bool merge_adapters = false;    ///< into the model, which is trained itself from then on
  friend bool operator==(const PhaseConfig&, const PhaseConfig&) = default;
};

struct TuningSection {
  std::vector<std::string> freeze;
  double layer_decay = 1.0;
  std::vector<std::pair<std::string, double>> rates;  ///< pattern, factor on the learning rate; later ones win
  std::vector<PhaseConfig> phases;
  bool frozen_dropout = false;
  bool frozen_cache = true;
};

/// Low-rank adapters, which are trained in place of the model (model/adapters/lora_settings.h).
struct LoraSection {
  std::int64_t rank = 0;  ///< 0: there are none
  double alpha = 0.0;     ///< 0: the rank
  double dropout = 0.0;
  OneOrMore targets{"all-linear"};  ///< a preset or an expression; listed: ends of paths of modules
  OneOrMore exclude;                ///< an expression; listed: as above
  bool rslora = false;
  bool dora = false;
  std::string bias = "none";
  std::vector<std::string> modules_to_save;
  std::vector<std::pair<std::string, double>> rank_pattern;  ///< later ones, which are longer, win
  std::vector<std::pair<std::string, double>> alpha_pattern;
  std::vector<double> layers;
  std::vector<std::string> layers_pattern;
};

/// 0: "none", 1: "blocks", else a number of layers.
struct LayerInterval {
  std::int64_t layers = 0;
};

struct TrainSection {
  double epochs = 3.0;
  std::int64_t max_steps = 0;
  std::int64_t batch_size = 32;
  std::int64_t gradient_accumulation = 1;
  double learning_rate = 5e-5;
  UpdateSettings update;  ///< train.optimizer and the hyper-parameters of update rules
  std::string precision = "f32";
  LayerInterval checkpoint_activations;
  std::string schedule = "linear";
  double warmup_ratio = 0.1;
  std::int64_t warmup_steps = 0;
  double clip_norm = 1.0;
  double label_smoothing = 0.0;
  double z_loss = 0.0;
  std::string class_weights = "none";
  std::vector<double> class_weight_values;
  std::int64_t mup_base_width = 0;  ///< 0: rates and new weights do not depend on the width
  std::int64_t seed = 0;
  std::int64_t grains = 0;
  std::string sum_order = "fixed";
  std::string compress_gradients = "none";
  std::string batch_norm = "frozen";
  std::int64_t early_stopping = 0;
  std::string metric;
};

/// How files of pictures are read.
struct ImagesSection {
  std::int64_t size = 0;  ///< pixels of a side; 0: as the model's preprocessor_config.json says
  std::string unreadable = "stop";  ///< "stop", "skip"
  std::int64_t cache_mib = 1024;    ///< of decoded pictures that a rank keeps in memory; the others lie in a file
  std::int64_t cache_file_mib = 4096;  ///< of the others, on disk, per rank
  std::int64_t most_megapixels = 256;  ///< larger pictures are refused before memory is taken
  std::int64_t frame = -1;        ///< below 0: none is named, and a file with several is refused
  std::int64_t axis = 2;
  std::int64_t slice = -1;        ///< below 0: the middle
  std::vector<double> window;     ///< centre and width; empty: as the file says
};

/// What changes pictures of training in each epoch (data/images/augmentation.h).
struct AugmentSection {
  double horizontal_flip = 0.5;
  double vertical_flip = 0.0;
  std::vector<double> crop_scale{0.7, 1.0};
  double rotation = 0.0;
  double brightness = 0.0;
  double contrast = 0.0;
  double saturation = 0.0;
  double erasing = 0.0;
  std::int64_t randaugment = 0;
  double randaugment_magnitude = 9.0;
  double mixup = 0.0;
  double cutmix = 0.0;
};

/// How pairs of answers are learnt from (tensor/calls/preference_loss.h).
struct PreferenceSection {
  double beta = 0.1;
  std::string loss = "sigmoid";  ///< "sigmoid" (DPO), "ipo"
  double label_smoothing = 0.0;
  bool length_normalized = false;
};

/// Rows that a run is measured on beside its validation rows, under a name.
struct EvaluationSetConfig {
  std::string name;
  OneOrMore data;                ///< files, or patterns of files, with the columns of the training files
  std::int64_t every_steps = 0;  ///< 0: whenever the validation rows are evaluated
};

struct EvaluateSection {
  std::int64_t every_steps = 0;
  std::vector<EvaluationSetConfig> sets;
  std::int64_t batch_size = 64;
  std::int64_t stride = 0;  ///< of running text: between windows; 0: none
  double threshold = 0.5;
  std::string positive;  ///< class that is told from the others; empty: of two the second, else each
  std::string calibrate = "auto";
  std::string threshold_by = "youden";
  double at_specificity = 0.95;
  double at_sensitivity = 0.95;
  std::int64_t resamples = 1000;
  std::int64_t resample_seed = 0;
};

struct CheckpointSection {
  std::int64_t every_steps = 0;
  double every_minutes = 0.0;
  std::int64_t keep = 2;
  bool resume = true;
};

struct OutputSection {
  std::string dir = "runs/temper";
  std::int64_t log_every = 10;
  bool tensorboard = true;
  bool export_model = true;
};

struct RunSection {
  std::string device = "auto";
  std::string gpu_communication = "auto";
  bool cuda_graphs = false;
  std::int64_t threads = 0;
  double timeout_seconds = 600.0;
  double max_minutes = 0.0;
  std::int64_t cache_memory_mib = 1024;
  std::string cache_dir;  ///< empty: the folder of temporary files
  bool keep_cache = false;
};

struct Configuration {
  ModelSection model;
  DataSection data;
  ImagesSection images;
  AugmentSection augment;
  TuningSection tuning;
  LoraSection lora;
  TrainSection train;
  PreferenceSection preference;
  EvaluateSection evaluate;
  CheckpointSection checkpoint;
  OutputSection output;
  RunSection run;
};

/// Reads and checks a file. `overrides`: "section.key=value", the value as TOML, or a bare word for a string. Throws a
/// usage Error for anything that is not as it should be, naming file, line, key, what was found and what is allowed.
Configuration read_configuration(const std::filesystem::path& file, std::span<const std::string> overrides);
/// The same of a text; `name` stands for the file in messages.
Configuration parse_configuration(std::string_view toml, const std::string& name,
                                  std::span<const std::string> overrides);

/// Whether the model is one of images, by its task.
bool reads_images(const Configuration& configuration);

/// Every key with its value. Reading it gives the same configuration.
std::string to_toml(const Configuration& configuration);
/// The keys, "section.key", that decide the weights and in which two configurations differ.
std::vector<std::string> differing_keys(const Configuration& a, const Configuration& b);
/// Every key with its type, default, what is allowed and what it means, as Markdown.
std::string describe_configuration();

}  // namespace temper
