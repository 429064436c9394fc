// The table of architectures. Adding one touches its own file and this table.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/architectures/model_config.h"
#include "model/model.h"

namespace temper {

/// Null where there is none of this model_type.
const Architecture* find_architecture(std::string_view model_type);
/// Of a model that timm saved, by timm's name without a tag ("resnet50"); null where there is none.
const Architecture* find_timm_architecture(std::string_view name);
/// Names of models of timm that can be read, sorted.
std::vector<std::string> supported_timm_names();
/// That of a configuration that has been read.
const Architecture& architecture_of(const ModelConfig& config);

/// The head that the first of a configuration's "architectures" has; nothing where that names none with a head.
std::optional<HeadKind> head_of(const ModelConfig& config);

/// Throws Error, with the heads that there are, where the architecture does not offer this one.
void require_head(const ModelConfig& config, HeadKind kind);

/// A model whose parameters have no values yet (model/weights.h gives them). `dropout` < 0: the rates of config.json;
/// else it replaces them all. Throws Error as require_head does.
std::unique_ptr<Model> make_model(const ModelConfig& config, const HeadRequest& request, double dropout = -1.0);

}  // namespace temper
