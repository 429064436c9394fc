#include "model/architectures/model_config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/nearest_name.h"
#include "model/architectures/registry.h"
#include "model/architectures/timm_keys.h"
#include "model/gguf/gguf_file.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/model_files.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostLabels = 1'000'000;

/// Families that one may well ask for, among them some that can be read.
constexpr std::array<std::string_view, 68> kOtherFamilies = {
    "albert",      "bart",        "big_bird",      "bloom",      "camembert",  "cohere",
    "cohere2",     "convbert",    "data2vec-text", "deberta",    "deberta-v2", "deepseek_v2",
    "deepseek_v3", "electra",     "ernie",         "esm",        "falcon",     "flaubert",
    "funnel",      "gemma",       "gemma2",        "gemma3",     "gemma3n",    "glm",
    "glm4",        "gpt2",        "gpt_neo",       "gpt_neox",   "gpt_oss",    "gptj",
    "layoutlm",    "llama",       "llama4",        "longformer", "mamba",      "ministral",
    "mistral",     "mistral3",    "mixtral",       "mobilebert", "modernbert", "mpnet",
    "mpt",         "nomic_bert",  "olmo",          "olmo2",      "olmo3",      "opt",
    "phi",         "phi3",        "phimoe",        "qwen2",      "qwen2_moe",  "qwen2_vl",
    "qwen3",       "qwen3_moe",   "reformer",      "rembert",    "roc_bert",   "roformer",
    "smollm3",     "squeezebert", "stablelm",      "starcoder2", "t5",         "xlm",
    "xlm-roberta", "xlnet"};

/// Of a folder that timm saved.
const Architecture& read_timm_architecture(const ConfigKeys& keys) {
  const std::string name = timm_name(keys);
  if (const Architecture* architecture = find_timm_architecture(name)) return *architecture;
  const std::vector<std::string> supported = supported_timm_names();
  const std::string near = nearest_name(name, supported);
  throw Error("{}: {} is a model of timm that is not supported, expected one of {}{}; choose one of these", keys.path(),
              in_quotes(name), fmt::join(supported, ", "),
              near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

const Architecture& read_architecture(const ConfigKeys& keys) {
  if (!timm_name(keys).empty()) return read_timm_architecture(keys);
  const std::string model_type = keys.text("model_type", "");
  if (const Architecture* architecture = find_architecture(model_type)) return *architecture;
  const std::vector<std::string> supported = supported_model_types();
  const std::string listed = fmt::format("{}", fmt::join(supported, ", "));
  if (model_type.empty())
    throw Error("{}: \"model_type\" is missing, expected one of {}; add the key, or download the file again",
                keys.path(), listed);
  // A family of its own is no slip of the pen, however near its name is.
  const bool is_slip = std::find(kOtherFamilies.begin(), kOtherFamilies.end(), model_type) == kOtherFamilies.end();
  std::string near = is_slip ? nearest_name(model_type, supported) : std::string();
  if (!near.empty() && edit_distance(model_type, near) > 2) near.clear();
  throw Error("{}: the architecture {} is not supported, expected one of {}{}; choose a model of one of these",
              keys.path(), in_quotes(model_type), listed, near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

/// id2label {"0": "no", "1": "yes"} as a list; where it is absent, num_labels names them as transformers does.
std::vector<std::string> read_labels(const ConfigKeys& keys) {
  std::vector<std::string> labels;
  const Json* id2label = keys.find("id2label");
  if (id2label == nullptr || id2label->is_null()) {
    const std::int64_t count = keys.integer("num_labels", 0, 0, kMostLabels);
    for (std::int64_t i = 0; i < count; ++i) labels.push_back(fmt::format("LABEL_{}", i));
    return labels;
  }
  const std::string expected = "an object {\"0\": \"first label\", \"1\": ...} with every id from 0 on";
  if (!id2label->is_object()) keys.refuse("id2label", expected);
  labels.reserve(id2label->size());
  for (std::size_t id = 0; id < id2label->size(); ++id) labels.emplace_back();
  std::vector<bool> named(labels.size(), false);
  for (const auto& [id_text, label] : id2label->items()) {
    const bool is_number = !id_text.empty() && id_text.size() <= 9 &&
                           std::all_of(id_text.begin(), id_text.end(), [](char c) { return c >= '0' && c <= '9'; });
    const std::size_t id = is_number ? std::stoul(id_text) : labels.size();
    if (id >= labels.size() || named[id]) keys.refuse("id2label", expected);
    named[id] = true;
    labels[id] = label.is_string() ? label.get<std::string>() : label.dump();
  }
  return labels;
}

/// Stored weights that a quantiser has packed are other tensors than the architecture has.
void refuse_quantized(const ConfigKeys& keys) {
  constexpr const char* kKey = "quantization_config";
  if (keys.find(kKey) != nullptr && !keys.is_null(kKey))
    throw Error(
        "{}: has a \"{}\", expected weights in f32, f16 or bf16: quantised ones cannot be read from such a folder; "
        "download the model as it was before it was quantised, or as a GGUF file",
        keys.path(), kKey);
}

}  // namespace

ModelConfig parse_model_config(std::string json, const std::filesystem::path& folder) {
  const ConfigKeys keys(json, config_place(folder));
  const Architecture& architecture = read_architecture(keys);
  refuse_quantized(keys);
  ModelConfig config{architecture.sizes(keys)};
  config.model_type = architecture.model_type;
  if (architecture.timm_names == nullptr) {
    config.architectures = keys.texts("architectures");
    config.labels = read_labels(keys);
  } else {
    config.labels = timm_labels(keys);
    // No classes are no head.
    if (!config.labels.empty()) config.architectures = {class_name(architecture, architecture.heads.front())};
  }
  if (!keys.is_null("problem_type")) config.problem_type = keys.text("problem_type", "");
  config.json = std::move(json);
  config.folder = folder;
  return config;
}

ModelConfig read_model_config(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (is_gguf_file(folder)) return parse_model_config(model_config_text(folder), folder);
  if (!std::filesystem::is_directory(folder, ignored))
    throw Error("{}: {}, expected a model folder with config.json, or a GGUF file; check the path", folder.string(),
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

  return parse_model_config(model_config_text(folder), folder);
}

}  // namespace temper
