// The table of architectures: config.json's model_type and what describes it. Adding one touches its own file and this
// table.
#pragma once

#include <memory>

#include "model/architectures/post_norm_encoder.h"
#include "model/model.h"

namespace temper {

EncoderArchitecture bert_architecture(const ModelConfig& config);
EncoderArchitecture roberta_architecture(const ModelConfig& config);
EncoderArchitecture distilbert_architecture(const ModelConfig& config);

/// A model whose parameters have no values yet (model/weights.h gives them). Throws Error that lists the supported
/// architectures.
std::unique_ptr<Model> make_model(const ModelConfig& config, const HeadRequest& request);

}  // namespace temper
