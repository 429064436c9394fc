// The table of architectures. Adding one touches its own file and this table.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/architectures/model_config.h"
#include "model/model.h"

namespace temper {

/// Null where there is none of this model_type.
const Architecture* find_architecture(std::string_view model_type);
/// That of a configuration that has been read.
const Architecture& architecture_of(const ModelConfig& config);

/// A model whose parameters have no values yet (model/weights.h gives them). `dropout` < 0: the rates of config.json;
/// else it replaces them all. Throws Error for a task that the architecture has no head for.
std::unique_ptr<Model> make_model(const ModelConfig& config, const HeadRequest& request, double dropout = -1.0);

}  // namespace temper
