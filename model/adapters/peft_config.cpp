#include "model/adapters/peft_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

/// The version whose keys these are.
constexpr const char* kPeftVersion = "0.21.2";

/// Keys that change nothing about what an adapter computes once its weights are there.
constexpr std::array<std::string_view, 10> kWithoutEffect = {
    "auto_mapping", "base_model_name_or_path", "fan_in_fan_out", "inference_mode", "megatron_core",
    "peft_version", "qalora_group_size",       "revision",       "runtime_config", "task_type"};
/// Keys that are read.
constexpr std::array<std::string_view, 17> kRead = {"alpha_pattern",
                                                    "bias",
                                                    "exclude_modules",
                                                    "init_lora_weights",
                                                    "layers_pattern",
                                                    "layers_to_transform",
                                                    "lora_alpha",
                                                    "lora_dropout",
                                                    "modules_to_save",
                                                    "peft_type",
                                                    "r",
                                                    "rank_pattern",
                                                    "target_modules",
                                                    "use_dora",
                                                    "use_rslora",
                                                    "loftq_config",
                                                    "ensure_weight_tying"};

template <std::size_t kCount>
bool has(const std::array<std::string_view, kCount>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// As Python has it: null, false, 0 and what is empty ask for nothing.
bool asks_for_something(const Json& value) {
  if (value.is_null() || value == false) return false;
  if (value.is_number()) return value != 0;
  if (value.is_string() || value.is_array() || value.is_object()) return !value.empty() && value != "";
  return true;
}

class PeftKeys {
 public:
  PeftKeys(const Json& object, std::string file) : object_(object), file_(std::move(file)) {}

  [[nodiscard]] const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  [[noreturn]] void refuse(const char* key, const std::string& expected) const {
    const Json* value = find(key);
    throw Error("{}: \"{}\" is {}, expected {}; correct the file, or use an adapter that PEFT has written", file_, key,
                value == nullptr ? "absent" : shown(*value), expected);
  }

  [[nodiscard]] bool flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) refuse(key, "true or false");
    return value->get<bool>();
  }
  [[nodiscard]] double number(const char* key, double otherwise, double least, double most) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number() || !(value->get<double>() >= least) || !(value->get<double>() <= most))
      refuse(key, fmt::format("a number from {} to {}", least, most));
    return value->get<double>();
  }
  [[nodiscard]] std::int64_t whole_number(const char* key, std::int64_t otherwise, std::int64_t least,
                                          std::int64_t most) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    const double number = value->is_number() ? value->get<double>() : 0.5;
    if (number != std::floor(number) || number < static_cast<double>(least) || number > static_cast<double>(most))
      refuse(key, fmt::format("a whole number from {} to {}", least, most));
    return static_cast<std::int64_t>(number);
  }
  [[nodiscard]] std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return "";
    if (!value->is_string()) refuse(key, "a string");
    return value->get<std::string>();
  }
  /// One, or a list.
  [[nodiscard]] std::vector<std::string> texts(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (value->is_string()) return {value->get<std::string>()};
    if (!value->is_array() || !std::all_of(value->begin(), value->end(), [](const Json& e) { return e.is_string(); }))
      refuse(key, "a list of strings");
    return value->get<std::vector<std::string>>();
  }
  [[nodiscard]] ModuleNames modules(const char* key) const {
    const Json* value = find(key);
    ModuleNames names{texts(key), value != nullptr && value->is_string()};
    std::erase(names.names, "");
    return names;
  }
  [[nodiscard]] std::vector<std::pair<std::string, double>> numbers_by_pattern(const char* key, bool whole) const {
    const Json* value = find(key);
    std::vector<std::pair<std::string, double>> pairs;
    if (value == nullptr) return pairs;
    if (!value->is_object()) refuse(key, "an object of numbers");
    for (const auto& [pattern, number] : value->items()) {
      const double value_of = number.is_number() ? number.get<double>() : 0.0;
      if (whole && (value_of < 1 || value_of > kMostRank || value_of != std::floor(value_of)))
        refuse(key, fmt::format("an object of whole numbers from 1 to {}", kMostRank));
      if (!(value_of > 0) || !(value_of < 1e9)) refuse(key, "an object of numbers above 0");
      pairs.emplace_back(pattern, number.get<double>());
    }
    return pairs;
  }
  [[nodiscard]] std::vector<std::int64_t> whole_numbers(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return {};
    const Json list = value->is_array() ? *value : Json::array({*value});
    std::vector<std::int64_t> numbers;
    for (const Json& number : list) {
      if (!number.is_number_integer() || number < 0 || number > INT32_MAX) refuse(key, "whole numbers");
      numbers.push_back(number.get<std::int64_t>());
    }
    return numbers;
  }

 private:
  const Json& object_;
  std::string file_;
};

/// Of how A and B began; some change the base as well.
void check_initialization(const PeftKeys& keys) {
  const Json* value = keys.find("init_lora_weights");
  if (value == nullptr || value->is_boolean()) return;
  const std::string name = value->is_string() ? value->get<std::string>() : "";
  if (name != "gaussian" && name != "eva" && name != "orthogonal")
    keys.refuse("init_lora_weights",
                "true, false, \"gaussian\", \"eva\" or \"orthogonal\": others change the weights of the base, which "
                "this adapter then belongs to");
}

LoraBias bias_of(const PeftKeys& keys) {
  const std::string name = keys.text("bias");
  if (name.empty() || name == "none") return LoraBias::none;
  if (name == "all") return LoraBias::all;
  if (name != "lora_only") keys.refuse("bias", "\"none\", \"all\" or \"lora_only\"");
  return LoraBias::lora_only;
}

const char* name_of(LoraBias bias) {
  return bias == LoraBias::all ? "all" : bias == LoraBias::lora_only ? "lora_only" : "none";
}

bool is_all_linear(const std::string& text) {
  constexpr std::string_view kName = "all-linear";
  return std::equal(text.begin(), text.end(), kName.begin(), kName.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

/// Whole numbers as PEFT writes them.
Json as_number(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

Json as_json(const ModuleNames& names) {
  if (names.empty()) return nullptr;
  if (names.is_pattern) return names.names.front();
  return names.names;
}

Json as_json(const std::vector<std::pair<std::string, double>>& pairs) {
  Json object = Json::object();
  for (const auto& [pattern, value] : pairs) object[pattern] = as_number(value);
  return object;
}

template <typename Values>
Json or_null(const Values& values) {
  return values.empty() ? Json(nullptr) : Json(values);
}

const char* task_type_of(HeadKind head) {
  switch (head) {
    case HeadKind::sequence:
      return "SEQ_CLS";
    case HeadKind::token:
      return "TOKEN_CLS";
    case HeadKind::causal_language_model:
      return "CAUSAL_LM";
    case HeadKind::masked_language_model:
    case HeadKind::image:
      break;
  }
  return nullptr;
}

}  // namespace

bool is_adapter_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder / kPeftConfigFile, ignored) &&
         !std::filesystem::exists(folder / "config.json", ignored);
}

std::optional<HeadKind> head_kind_of(const std::string& task_type, const std::string& place) {
  if (task_type.empty() || task_type == "FEATURE_EXTRACTION") return std::nullopt;
  for (const HeadKind head : {HeadKind::sequence, HeadKind::token, HeadKind::causal_language_model})
    if (task_type == task_type_of(head)) return head;
  throw Error(
      "{}: \"task_type\" is {}, expected \"SEQ_CLS\", \"TOKEN_CLS\", \"CAUSAL_LM\" or null: other heads are not "
      "computed here; use an adapter of one of these",
      place, in_quotes(task_type));
}

PeftConfig parse_peft_config(const std::string& json, const std::filesystem::path& file) {
  const Json object = parse_json_object(json, file);
  const PeftKeys keys(object, file.string());
  if (keys.text("peft_type") != "LORA") keys.refuse("peft_type", "\"LORA\": other methods are not computed here");
  for (const auto& [key, value] : object.items())
    if (!has(kRead, key) && !has(kWithoutEffect, key) && asks_for_something(value))
      throw Error("{}: {} is {}, which asks for something that is not computed here; use an adapter without it",
                  file.string(), in_quotes(key), shown(value));
  if (const Json* loftq = keys.find("loftq_config"); loftq != nullptr && !loftq->empty())
    keys.refuse("loftq_config", "nothing: it changes the weights of the base");
  check_initialization(keys);
  PeftConfig config;
  config.base_model = keys.text("base_model_name_or_path");
  config.task_type = keys.text("task_type");
  LoraSettings& settings = config.settings;
  settings.rank = keys.whole_number("r", 8, 1, kMostRank);
  settings.alpha = keys.number("lora_alpha", 8, 0, 1e9);
  settings.dropout = keys.number("lora_dropout", 0, 0, 1);
  if (settings.dropout == 1) keys.refuse("lora_dropout", "a rate below 1");
  settings.targets = keys.modules("target_modules");
  if (settings.targets.is_pattern && !settings.targets.empty() && is_all_linear(settings.targets.names.front()))
    settings.preset = TargetPreset::all_linear;
  if (settings.targets.empty()) keys.refuse("target_modules", "names of modules");
  settings.excluded = keys.modules("exclude_modules");
  settings.bias = bias_of(keys);
  settings.rslora = keys.flag("use_rslora");
  settings.dora = keys.flag("use_dora");
  settings.modules_to_save = keys.texts("modules_to_save");
  settings.rank_pattern = keys.numbers_by_pattern("rank_pattern", true);
  settings.alpha_pattern = keys.numbers_by_pattern("alpha_pattern", false);
  settings.layers = keys.whole_numbers("layers_to_transform");
  settings.layers_pattern = keys.texts("layers_pattern");
  settings.peft_config = json;
  return config;
}

PeftConfig read_peft_config(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kPeftConfigFile;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    throw Error("{}: no such file, expected the configuration of an adapter; name a folder that PEFT or Temper wrote",
                file.string());
  return parse_peft_config(read_text_file(file), file);
}

std::string peft_config_text(const Lora& lora, HeadKind head, const std::string& base_model) {
  const LoraSettings& settings = lora.settings;
  if (!settings.peft_config.empty()) {
    Json json = Json::parse(settings.peft_config);
    if (!base_model.empty()) json["base_model_name_or_path"] = base_model;
    json["inference_mode"] = true;
    return json.dump(2);
  }
  ModuleNames targets = settings.targets;
  if (settings.preset != TargetPreset::none) {
    targets = {};
    for (const FileModule& module : lora.modules) targets.names.push_back(module.name);
  }
  const bool is_transposed = std::any_of(lora.modules.begin(), lora.modules.end(),
                                         [](const FileModule& module) { return module.is_transposed(); });
  const char* task = task_type_of(head);
  const Json json{
      {"alora_invocation_tokens", nullptr},
      {"alpha_pattern", as_json(settings.alpha_pattern)},
      {"arrow_config", nullptr},
      {"auto_mapping", nullptr},
      {"base_model_name_or_path", base_model.empty() ? Json(nullptr) : Json(base_model)},
      {"bias", name_of(settings.bias)},
      {"corda_config", nullptr},
      {"ensure_weight_tying", false},
      {"eva_config", nullptr},
      {"exclude_modules", as_json(settings.excluded)},
      {"fan_in_fan_out", is_transposed},
      {"inference_mode", true},
      {"init_lora_weights", true},
      {"kasa_config", nullptr},
      {"layer_replication", nullptr},
      {"layers_pattern", or_null(settings.layers_pattern)},
      {"layers_to_transform", or_null(settings.layers)},
      {"loftq_config", Json::object()},
      {"lora_alpha", as_number(settings.alpha)},
      {"lora_bias", false},
      {"lora_dropout", settings.dropout},
      {"lora_ga_config", nullptr},
      {"megatron_config", nullptr},
      {"megatron_core", "megatron.core"},
      {"modules_to_save", or_null(settings.modules_to_save)},
      {"monteclora_config", nullptr},
      {"peft_type", "LORA"},
      {"peft_version", kPeftVersion},
      {"qalora_group_size", 16},
      {"r", settings.rank},
      {"rank_pattern", as_json(settings.rank_pattern)},
      {"revision", nullptr},
      {"target_modules", as_json(targets)},
      {"target_parameters", nullptr},
      {"task_type", task == nullptr ? Json(nullptr) : Json(task)},
      {"trainable_token_indices", nullptr},
      {"use_bdlora", nullptr},
      {"use_dora", settings.dora},
      {"use_qalora", false},
      {"use_rslora", settings.rslora},
      {"velora_config", nullptr},
  };
  return json.dump(2);
}

}  // namespace temper
