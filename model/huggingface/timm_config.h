// config.json of a folder that timm saved, as an export changes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/image_extent.h"

namespace temper {

/// Whether it is timm's: it names an "architecture", and no "model_type".
bool is_timm_config(const nlohmann::ordered_json& config);

/// The classes, one per output: "num_classes" wherever timm reads it, and "label_names".
void set_timm_classes(nlohmann::ordered_json& config, const std::vector<std::string>& labels);

/// What the pictures are that the model reads, in place of what "pretrained_cfg" says of them. `made_for`: the size
/// that timm is to make the model for; none: that stays as it is.
void set_timm_pictures(nlohmann::ordered_json& config, const nlohmann::ordered_json& pretrained_cfg,
                       const std::optional<ImageExtent>& made_for);

}  // namespace temper
