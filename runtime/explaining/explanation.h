// What a model of images looks at: a map of the picture for one class, and whether it can be trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "data/batch.h"
#include "model/architectures/model_config.h"
#include "runtime/evaluation/fitted_model.h"
#include "runtime/explaining/fidelity.h"
#include "runtime/explaining/relevance_map.h"

namespace temper {

enum class ExplanationMethod : std::uint8_t {
  grad_cam,           ///< of a model whose last hidden state is a map: convolutional nets, and Swin
  attention_rollout,  ///< of a transformer with a class token, all of whose blocks see the whole image
};

/// For users: "Grad-CAM", "attention rollout".
std::string_view name_of(ExplanationMethod method);
/// For programs: "grad-cam", "attention-rollout".
std::string_view key_of(ExplanationMethod method);

/// By what a model of this configuration is explained. Throws Error where its architecture says of no place which token
/// it is.
ExplanationMethod explanation_method(const ModelConfig& config);

struct Explanation {
  ExplanationMethod method = ExplanationMethod::grad_cam;
  std::int64_t label = 0;    ///< that is explained
  double probability = 0.0;  ///< of it
  RelevanceMap map;
  Fidelity fidelity;
};

/// The label of this name. Throws a usage Error that names the nearest one.
std::int64_t explained_label(const LabelSet& labels, const std::string& name);

/// Of a batch of one image: `label`, or nothing for the most probable one. `share`: of the pixels that fidelity erases.
/// Throws Error where the model says numbers instead of labels, or says what is not finite.
Explanation explain_image(FittedModel& fitted, Device& device, const Batch& image, std::optional<std::int64_t> label,
                          double share);

/// Throws a usage Error for a model that does not read images, or predicts numbers.
void require_explainable(const FittedModel& fitted, const std::string& model);

}  // namespace temper
