#include "model/huggingface/timm_config.h"

#include <nlohmann/json.hpp>

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPretrainedCfg = "pretrained_cfg";
/// What a model is made with; it comes before what the pictures say.
constexpr const char* kModelArgs = "model_args";

bool has_key(const Json& config, const char* object, const char* key) {
  return config.contains(object) && config[object].is_object() && config[object].contains(key);
}

}  // namespace

bool is_timm_config(const Json& config) { return config.contains("architecture") && !config.contains("model_type"); }

void set_timm_classes(Json& config, const std::vector<std::string>& labels) {
  config["num_classes"] = labels.size();
  config[kPretrainedCfg]["num_classes"] = labels.size();
  if (has_key(config, kModelArgs, "num_classes")) config[kModelArgs]["num_classes"] = labels.size();
  config["label_names"] = labels;
  // Names of the classes that the base model had.
  config.erase("label_descriptions");
  for (const char* key : {"label_names", "label_descriptions"}) config[kPretrainedCfg].erase(key);
}

void set_timm_pictures(Json& config, const Json& pretrained_cfg, const std::optional<ImageExtent>& made_for) {
  for (const auto& [key, value] : pretrained_cfg.items()) config[kPretrainedCfg][key] = value;
  if (!made_for) return;
  config[kPretrainedCfg]["fixed_input_size"] = true;
  if (has_key(config, kModelArgs, "img_size")) config[kModelArgs]["img_size"] = {made_for->height, made_for->width};
}

}  // namespace temper
