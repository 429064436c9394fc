#include "model/huggingface/timm_config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPretrainedCfg = "pretrained_cfg";
/// What a model is made with; it comes before what the pictures say.
constexpr const char* kModelArgs = "model_args";
/// What timm keeps beside "pretrained_cfg", and "problem_type", which is Temper's.
constexpr std::array<std::string_view, 5> kBesidePretrainedCfg = {"architecture", "num_features", "global_pool",
                                                                  kModelArgs, "problem_type"};

bool has_key(const Json& config, const char* object, const char* key) {
  return config.contains(object) && config[object].is_object() && config[object].contains(key);
}

}  // namespace

bool is_timm_config(const Json& config) { return config.contains("architecture") && !config.contains("model_type"); }

std::string with_pretrained_cfg(std::string text, const std::filesystem::path& place) {
  const Json config = parse_json_object(text, place);
  const auto known = config.find(kPretrainedCfg);
  if (!is_timm_config(config) || (known != config.end() && !known->is_null())) return text;
  Json whole = Json::object();
  Json pictures = Json::object();
  for (const auto& [key, value] : config.items()) {
    const bool is_beside =
        std::find(kBesidePretrainedCfg.begin(), kBesidePretrainedCfg.end(), key) != kBesidePretrainedCfg.end();
    if (key != kPretrainedCfg) (is_beside ? whole : pictures)[key] = value;
  }
  if (const auto labels = pictures.find("labels"); labels != pictures.end()) {
    Json names = std::move(*labels);
    pictures.erase(labels);
    pictures["label_names"] = std::move(names);
  }
  whole[kPretrainedCfg] = std::move(pictures);
  return whole.dump(2) + "\n";
}

void set_timm_classes(Json& config, const std::vector<std::string>& labels) {
  config["num_classes"] = labels.size();
  config[kPretrainedCfg]["num_classes"] = labels.size();
  if (has_key(config, kModelArgs, "num_classes")) config[kModelArgs]["num_classes"] = labels.size();
  config["label_names"] = labels;
  // Names of the classes that the base model had.
  config.erase("label_descriptions");
  for (const char* key : {"label_names", "label_descriptions"}) config[kPretrainedCfg].erase(key);
}

void set_timm_pictures(Json& config, const Json& pretrained_cfg, bool is_resized) {
  for (const auto& [key, value] : pretrained_cfg.items()) config[kPretrainedCfg][key] = value;
  if (is_resized) config[kPretrainedCfg]["fixed_input_size"] = true;
  // Where both are given, timm takes this one for the pictures too.
  const Json& size = pretrained_cfg.at("input_size");
  if (has_key(config, kModelArgs, "img_size")) config[kModelArgs]["img_size"] = {size.at(1), size.at(2)};
}

}  // namespace temper
