#include "runtime/explaining/explanation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/name_list.h"
#include "base/nearest_name.h"
#include "runtime/explaining/attention_rollout.h"
#include "runtime/explaining/grad_cam.h"
#include "runtime/steps/device_batch.h"
#include "runtime/steps/finite_weights.h"

namespace temper {

std::string_view name_of(ExplanationMethod method) {
  return method == ExplanationMethod::grad_cam ? "Grad-CAM" : "attention rollout";
}

std::string_view key_of(ExplanationMethod method) {
  return method == ExplanationMethod::grad_cam ? "grad-cam" : "attention-rollout";
}

ExplanationMethod explanation_method(const ModelConfig& config) {
  if (!config.images.grid)
    throw Error("{}: nothing is known of the places of an image in models of type {}, so none can be shown",
                config.folder.string(), config.model_type);
  return config.images.first_patch > 0 ? ExplanationMethod::attention_rollout : ExplanationMethod::grad_cam;
}

std::int64_t explained_label(const LabelSet& labels, const std::string& name) {
  if (const std::optional<std::int32_t> id = labels.id_of(name)) return *id;
  const std::string nearest = nearest_name(name, labels.names());
  throw usage_error(
      "--class: the model knows no class {}{}", quoted_name(name),
      nearest.empty() ? "; it knows " + name_list(labels.names()) : "; did you mean " + quoted_name(nearest) + "?");
}

void require_explainable(const FittedModel& fitted, const std::string& model) {
  if (!is_of_images(fitted.task().head))
    throw usage_error("{}: is a model for {}, which reads texts; name a model of images, whose pictures can be shown",
                      model, fitted.task().name);
  if (fitted.task().labels == LabelKind::regression)
    throw usage_error("{}: predicts numbers (task {}), but what is explained is the probability of a class", model,
                      fitted.task().name);
}

Explanation explain_image(FittedModel& fitted, Device& device, const Batch& image, std::optional<std::int64_t> label,
                          double share) {
  Model& model = fitted.model();
  const ImageSizes& images = fitted.config().images;
  const auto& pixels = std::get<Pixels>(image.content);
  const LossKind loss = fitted.task().loss;
  const std::vector<double> probabilities =
      probabilities_of(model, device, loss, image, std::span(&pixels.values, 1)).front();
  if (!std::all_of(probabilities.begin(), probabilities.end(), [](double p) { return std::isfinite(p); }))
    refuse_not_finite(model, device, "what the model says is");
  Explanation made;
  made.method = explanation_method(fitted.config());
  made.label = label.value_or(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
  made.probability = probabilities[static_cast<std::size_t>(made.label)];
  const ImageExtent grid = images.grid({pixels.height, pixels.width});
  const DeviceBatch batch = to_device(image, model.readout(), BatchUse{.labelled = false}, device);
  made.map = made.method == ExplanationMethod::grad_cam ? grad_cam(model, device, batch, made.label, grid)
                                                        : attention_rollout(model, device, batch, images, grid);
  made.fidelity = measure_fidelity(model, device, loss, image, made.map, made.label, share);
  return made;
}

}  // namespace temper
