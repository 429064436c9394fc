#include "model/weights.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <span>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

bool replace_ending(std::string& name, std::string_view ending, std::string_view replacement) {
  if (!name.ends_with(ending)) return false;
  name.replace(name.size() - ending.size(), ending.size(), replacement);
  return true;
}

/// The names under which a parameter may be stored, the usual one first.
std::vector<std::string> stored_names(const std::string& name, const std::string& prefix) {
  std::vector<std::string> names{name};
  if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
  const std::size_t usual = names.size();
  for (std::size_t i = 0; i < usual; ++i) {
    std::string old = names[i];
    if (replace_ending(old, "LayerNorm.weight", "LayerNorm.gamma") ||
        replace_ending(old, "LayerNorm.bias", "LayerNorm.beta"))
      names.push_back(old);
  }
  // Tied to the bias of the decoder, some files have it under that name alone.
  const std::string last = names.front();
  if (last.ends_with("predictions.bias") || last.ends_with("lm_head.bias"))
    names.push_back(last.substr(0, last.size() - std::strlen("bias")) + "decoder.bias");
  return names;
}

/// Tensors that some exports carry and that no model reads: counters, and the tied copy of the output embedding.
bool is_known_extra(const std::string& name) {
  return name.ends_with("position_ids") || name.ends_with("decoder.weight") || name.ends_with("decoder.bias") ||
         name.ends_with("vocab_projector.weight");
}

std::string join(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kShown) out += fmt::format(" and {} more", names.size() - kShown);
  return out;
}

void draw(const Parameter& parameter, Device& device, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(parameter.size()));
  initialize(values, parameter.shape, parameter.initialization, seed, parameter.name);
  parameter.variable.set_value(device.upload(std::span<const float>(values), parameter.shape));
}

Tensor value_of(const TensorView& stored, const Shape& shape, Device& device) {
  if (is_mappable_f32(stored) && device.shares_host_memory())
    // The tape never writes to a parameter that is not in an arena, so the mapping may stay read-only.
    return Tensor::view(const_cast<std::byte*>(stored.bytes.data()), shape);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  to_f32(stored, values);
  return device.upload(std::span<const float>(values), shape);
}

}  // namespace

LoadReport load_weights(Model& model, const WeightFiles& files, Device& device, const LoadOptions& options) {
  LoadReport report;
  std::vector<std::string> missing;
  std::set<std::string> used;
  for (const Parameter& parameter : model.parameters().all()) {
    const TensorView* stored = nullptr;
    for (const std::string& name : stored_names(parameter.name, model.prefix())) {
      stored = files.find(name);
      if (stored == nullptr) continue;
      used.insert(name);
      break;
    }
    if (stored == nullptr) {
      if (!parameter.head) {
        missing.push_back(parameter.name);
        continue;
      }
      draw(parameter, device, options.seed);
      report.initialized.push_back(parameter.name);
      continue;
    }
    const Shape shape(stored->shape.size() <= Shape::kMaxDimensions ? std::span<const std::int64_t>(stored->shape)
                                                                    : std::span<const std::int64_t>());
    if (shape == parameter.shape) {
      parameter.variable.set_value(value_of(*stored, shape, device));
      continue;
    }
    if (!parameter.head)
      throw Error(
          "{}: tensor '{}' has shape {}, but config.json asks for {}; the weights and the configuration do not "
          "belong together",
          files.file_of(stored->name).string(), stored->name, shape.text(), parameter.shape.text());
    if (!options.replace_head)
      throw Error(
          "{}: the head's tensor '{}' has shape {}, but this task needs {}; {}to drop the stored head and train a new "
          "one, set model.replace_head = true",
          files.file_of(stored->name).string(), stored->name, shape.text(), parameter.shape.text(),
          options.keeps_head.empty() ? "" : fmt::format("to keep it, set {}; ", options.keeps_head));
    draw(parameter, device, options.seed);
    report.replaced.push_back(parameter.name);
  }
  const std::vector<std::string> names = files.names();
  if (!missing.empty())
    throw Error("{}: {} of the model's tensors are missing: {}; the file does not hold a model of this architecture",
                names.empty() ? std::string("model.safetensors") : files.file_of(names.front()).string(),
                missing.size(), join(missing));
  for (const std::string& name : names)
    if (!used.contains(name) && !is_known_extra(name)) report.unexpected.push_back(name);
  return report;
}

}  // namespace temper
