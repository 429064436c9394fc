#include "model/huggingface/model_config.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/nearest_name.h"
#include "model/activation_names.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

/// What one family calls its keys (empty: it has no such key) and what it takes where a key is absent.
struct Family {
  std::string_view model_type;
  std::string_view width;
  std::string_view layers;
  std::string_view heads;
  std::string_view intermediate_width;
  std::string_view type_vocabulary_size;
  std::string_view layer_norm_epsilon;
  std::string_view activation;
  std::string_view hidden_dropout;
  std::string_view attention_dropout;
  std::string_view classifier_dropout;
  std::int64_t default_vocabulary_size;
  std::int64_t default_layers;
  std::int32_t default_pad_token_id;
  float default_classifier_dropout;  ///< negative: hidden_dropout
  bool positions_follow_padding;     ///< the first position is pad_token_id + 1
};

constexpr float kAsHiddenDropout = -1.0F;
constexpr std::int64_t kLargestSize = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMostLabels = 1'000'000;

constexpr Family bert_family(std::string_view model_type, std::int64_t vocabulary_size, std::int32_t pad_token_id,
                             bool positions_follow_padding) {
  return {model_type,
          "hidden_size",
          "num_hidden_layers",
          "num_attention_heads",
          "intermediate_size",
          "type_vocab_size",
          "layer_norm_eps",
          "hidden_act",
          "hidden_dropout_prob",
          "attention_probs_dropout_prob",
          "classifier_dropout",
          vocabulary_size,
          12,
          pad_token_id,
          kAsHiddenDropout,
          positions_follow_padding};
}

// Sorted by name: the list that a user sees.
constexpr std::array<Family, 3> kFamilies = {
    bert_family("bert", 30522, 0, false),
    Family{"distilbert", "dim", "n_layers", "n_heads", "hidden_dim", "", "", "activation", "dropout",
           "attention_dropout", "seq_classif_dropout", 30522, 6, 0, 0.2F, false},
    bert_family("roberta", 50265, 1, true),
};

/// Families that one may well ask for.
constexpr std::array<std::string_view, 30> kOtherFamilies = {
    "albert",     "bart",        "big_bird",   "camembert", "convbert",    "data2vec-text", "deberta",  "deberta-v2",
    "electra",    "ernie",       "esm",        "flaubert",  "funnel",      "gpt2",          "layoutlm", "llama",
    "longformer", "mobilebert",  "modernbert", "mpnet",     "nomic_bert",  "reformer",      "rembert",  "roc_bert",
    "roformer",   "squeezebert", "t5",         "xlm",       "xlm-roberta", "xlnet"};

/// What transformers also accepts for DistilBERT's own names (its attribute_map).
std::string_view other_name(std::string_view key) {
  if (key == "dim") return "hidden_size";
  if (key == "n_layers") return "num_hidden_layers";
  if (key == "n_heads") return "num_attention_heads";
  return key;
}

/// Typed access to the keys, each refusal with file, key, found and expected.
class Keys {
 public:
  Keys(const Json& object, const std::filesystem::path& path) : object_(object), path_(path.string()) {}

  [[nodiscard]] const Json* find(std::string_view key) const {
    for (const std::string_view name : {key, other_name(key)}) {
      const auto found = object_.find(std::string(name));
      if (found != object_.end()) return &*found;
    }
    return nullptr;
  }

  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t otherwise, std::int64_t lowest,
                                     std::int64_t highest) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    // An unsigned value beyond 2^63 would turn negative, and is refused with the others.
    const bool in_range =
        value->is_number_integer() && value->get<std::int64_t>() >= lowest && value->get<std::int64_t>() <= highest;
    if (!in_range) refuse(key, *value, fmt::format("a whole number from {} to {}", lowest, highest));
    return value->get<std::int64_t>();
  }

  [[nodiscard]] std::int64_t size(std::string_view key, std::int64_t otherwise) const {
    return integer(key, otherwise, 1, kLargestSize);
  }

  [[nodiscard]] float real(std::string_view key, float otherwise, float lowest, float highest) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    const bool in_range = value->is_number() && value->get<double>() >= lowest && value->get<double>() <= highest;
    if (!in_range) refuse(key, *value, fmt::format("a number from {} to {}", lowest, highest));
    return value->get<float>();
  }

  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return std::string(otherwise);
    if (!value->is_string()) refuse(key, *value, "a text");
    return value->get<std::string>();
  }

  [[nodiscard]] bool is_null(std::string_view key) const {
    const Json* value = find(key);
    return value != nullptr && value->is_null();
  }

  [[noreturn]] void refuse(std::string_view key, const Json& value, const std::string& expected) const {
    throw Error("{}: \"{}\" is {}, expected {}; correct the file, or download it again", path_, key, shown(value),
                expected);
  }

 private:
  const Json& object_;
  std::string path_;
};

std::string listed(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

const Family& family_of(const Keys& keys, const std::filesystem::path& path) {
  const std::string model_type = keys.text("model_type", "");
  for (const Family& family : kFamilies)
    if (family.model_type == model_type) return family;
  const std::vector<std::string> supported = supported_model_types();
  if (model_type.empty())
    throw Error("{}: \"model_type\" is missing, expected one of {}; add the key, or download the file again",
                path.string(), listed(supported));
  // A family of its own is no slip of the pen, however near its name is.
  const bool is_slip = std::find(kOtherFamilies.begin(), kOtherFamilies.end(), model_type) == kOtherFamilies.end();
  std::string near = is_slip ? nearest_name(model_type, supported) : std::string();
  if (!near.empty() && edit_distance(model_type, near) > 2) near.clear();
  throw Error("{}: the architecture {} is not supported, expected one of {}{}; choose a model of one of these",
              path.string(), in_quotes(model_type), listed(supported),
              near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

std::vector<std::string> read_texts(const Keys& keys, std::string_view key) {
  std::vector<std::string> texts;
  const Json* value = keys.find(key);
  if (value == nullptr || value->is_null()) return texts;
  if (!value->is_array()) keys.refuse(key, *value, "a list of texts");
  for (const Json& text : *value) {
    if (!text.is_string()) keys.refuse(key, *value, "a list of texts");
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

/// id2label {"0": "no", "1": "yes"} as a list; where it is absent, num_labels names them as transformers does.
std::vector<std::string> read_labels(const Keys& keys) {
  std::vector<std::string> labels;
  const Json* id2label = keys.find("id2label");
  if (id2label == nullptr || id2label->is_null()) {
    const std::int64_t count = keys.integer("num_labels", 0, 0, kMostLabels);
    for (std::int64_t i = 0; i < count; ++i) labels.push_back(fmt::format("LABEL_{}", i));
    return labels;
  }
  const std::string expected = "an object {\"0\": \"first label\", \"1\": ...} with every id from 0 on";
  if (!id2label->is_object()) keys.refuse("id2label", *id2label, expected);
  labels.reserve(id2label->size());
  for (std::size_t id = 0; id < id2label->size(); ++id) labels.emplace_back();
  std::vector<bool> named(labels.size(), false);
  for (const auto& [id_text, label] : id2label->items()) {
    const bool is_number = !id_text.empty() && id_text.size() <= 9 &&
                           std::all_of(id_text.begin(), id_text.end(), [](char c) { return c >= '0' && c <= '9'; });
    const std::size_t id = is_number ? std::stoul(id_text) : labels.size();
    if (id >= labels.size() || named[id]) keys.refuse("id2label", *id2label, expected);
    named[id] = true;
    labels[id] = label.is_string() ? label.get<std::string>() : label.dump();
  }
  return labels;
}

/// What would be computed wrongly without a word.
void refuse_variants(const Keys& keys) {
  const Json* decoder = keys.find("is_decoder");
  if (decoder != nullptr && *decoder != false) keys.refuse("is_decoder", *decoder, "false: decoders are not supported");
  const std::string positions = keys.text("position_embedding_type", "absolute");
  if (positions != "absolute")
    keys.refuse("position_embedding_type", positions, "\"absolute\": relative positions are not supported");
}

}  // namespace

std::vector<std::string> supported_model_types() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.model_type);
  return names;
}

ModelConfig read_model_config(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    throw Error("{}: {}, expected a model folder with config.json; check the path", folder.string(),
                std::filesystem::exists(folder, ignored) ? "is a file" : "no such folder");
  const std::filesystem::path path = folder / "config.json";
  if (!std::filesystem::exists(path, ignored) && std::filesystem::exists(folder / "adapter_config.json", ignored))
    throw Error(
        "{}: holds an adapter (PEFT), not a model; merge it into its base model (merge_and_unload, save_pretrained) "
        "and "
        "use that folder",
        folder.string());
  if (!std::filesystem::exists(path, ignored))
    throw Error(
        "{}: no such file, expected the configuration of the model; check the path of the model folder, or "
        "download the model again",
        path.string());

  ModelConfig config;
  config.folder = folder;
  config.json = read_text_file(path);
  const Json object = parse_json_object(config.json, path);
  const Keys keys(object, path);
  const Family& family = family_of(keys, path);
  refuse_variants(keys);

  config.model_type = family.model_type;
  config.architectures = read_texts(keys, "architectures");
  config.vocabulary_size = keys.size("vocab_size", family.default_vocabulary_size);
  config.width = keys.size(family.width, 768);
  config.layers = keys.size(family.layers, family.default_layers);
  config.heads = keys.size(family.heads, 12);
  config.intermediate_width = keys.size(family.intermediate_width, 3072);
  config.max_positions = keys.size("max_position_embeddings", 512);
  if (!family.type_vocabulary_size.empty()) config.type_vocabulary_size = keys.size(family.type_vocabulary_size, 2);
  if (config.width % config.heads != 0)
    throw Error(
        "{}: \"{}\" is {} and \"{}\" is {}, expected heads that divide the width; correct the file, or "
        "download it again",
        path.string(), family.width, config.width, family.heads, config.heads);

  config.layer_norm_epsilon = 1e-12F;
  if (!family.layer_norm_epsilon.empty())
    config.layer_norm_epsilon = keys.real(family.layer_norm_epsilon, 1e-12F, 0.0F, 1.0F);
  config.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 100.0F);
  config.activation = keys.text(family.activation, "gelu");
  const std::vector<std::string> activations = supported_activations();
  if (std::find(activations.begin(), activations.end(), config.activation) == activations.end())
    throw Error(
        "{}: the activation \"{}\" is {}, which is not supported, expected one of {}; choose a model with one of these",
        path.string(), family.activation, in_quotes(config.activation), listed(activations));

  config.hidden_dropout = keys.real(family.hidden_dropout, 0.1F, 0.0F, 1.0F);
  config.attention_dropout = keys.real(family.attention_dropout, 0.1F, 0.0F, 1.0F);
  const float classifier_default =
      family.default_classifier_dropout == kAsHiddenDropout ? config.hidden_dropout : family.default_classifier_dropout;
  config.classifier_dropout = keys.is_null(family.classifier_dropout)
                                  ? config.hidden_dropout
                                  : keys.real(family.classifier_dropout, classifier_default, 0.0F, 1.0F);

  const bool no_padding = keys.is_null("pad_token_id");
  if (no_padding && family.positions_follow_padding)
    keys.refuse("pad_token_id", nullptr, "the id of the padding token, which positions are counted from");
  config.pad_token_id = no_padding ? -1
                                   : static_cast<std::int32_t>(keys.integer("pad_token_id", family.default_pad_token_id,
                                                                            0, config.vocabulary_size - 1));
  if (family.positions_follow_padding) config.position_offset = config.pad_token_id + 1;
  if (config.longest_sequence() < 1)
    throw Error(
        "{}: \"max_position_embeddings\" is {} and the first position is {}, expected room for one token at "
        "least; correct the file, or download it again",
        path.string(), config.max_positions, config.position_offset);

  const Json* tied = keys.find("tie_word_embeddings");
  config.tied_embeddings = tied == nullptr || *tied != false;
  config.labels = read_labels(keys);
  config.problem_type = keys.text("problem_type", "");
  return config;
}

}  // namespace temper
