// config.json of a folder that timm saved: as timm reads it, and as an export changes it.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace temper {

/// Whether it is timm's: it names an "architecture", and no "model_type".
bool is_timm_config(const nlohmann::ordered_json& config);

/// The text of a config.json, from which all of its readers take what they need. Older ones of timm have no
/// "pretrained_cfg", and what belongs into it lies beside "architecture": it is moved there, as timm does, "labels"
/// under the name "label_names". Every other text stays as it is. `place` opens the Error where it is no JSON object.
std::string with_pretrained_cfg(std::string text, const std::filesystem::path& place);

/// The classes, one per output: "num_classes" wherever timm reads it, and "label_names".
void set_timm_classes(nlohmann::ordered_json& config, const std::vector<std::string>& labels);

/// What the pictures are that the model reads, in place of what "pretrained_cfg" says of them; "input_size" is among
/// it. `is_resized`: tensors are of that size, so timm is to make the model for it, whatever its code says.
void set_timm_pictures(nlohmann::ordered_json& config, const nlohmann::ordered_json& pretrained_cfg, bool is_resized);

}  // namespace temper
