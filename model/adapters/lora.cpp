#include "model/adapters/lora.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "model/initialization.h"

namespace temper {
namespace {

/// The bound of torch.nn.Linear's weights: Kaiming uniform with a = sqrt(5).
Initialization as_linear_layers() { return Initialization::kaiming_uniform(std::sqrt(1.0F / 3.0F)); }

std::string module_of(const std::string& stored_name) { return stored_name.substr(0, stored_name.rfind('.')); }

/// Draws, as `initialize` says, and returns a parameter that has its value.
Parameter new_parameter(std::string name, const Shape& shape, const Parameter& base, Initialization initialization,
                        Device& device, std::uint64_t seed) {
  Parameter parameter{std::move(name), shape, base.stage, ParameterRole::adapter, initialization};
  parameter.decays = shape.dimensions() > 1;
  std::vector<float> values(static_cast<std::size_t>(parameter.size()));
  initialize(values, shape, initialization, seed, parameter.name);
  parameter.variable.set_value(device.upload(std::span<const float>(values), shape));
  return parameter;
}

/// Puts adapters beside the layers of one module after the other.
class Attachment {
 public:
  Attachment(Model& model, Device& device, Lora& lora, std::uint64_t seed, std::string place)
      : model_(model), device_(device), lora_(lora), seed_(seed), place_(std::move(place)) {
    for (const FileModule& module : lora.modules) count_ += static_cast<std::uint32_t>(module.layers.size());
  }

  void attach(const FileModule& module) {
    const LoraSettings& settings = lora_.settings;
    const double rank = value_for(settings.rank_pattern, module.name, static_cast<double>(settings.rank), place_);
    const double alpha = value_for(settings.alpha_pattern, module.name, settings.alpha, place_);
    if (rank < 1 || rank != std::floor(rank) || rank > static_cast<double>(kMostRank))
      throw usage_error("{}: the rank of {} is {}, expected a whole number from 1 to {}", place_, module.name, rank,
                        kMostRank);
    LowRankParts parts;
    parts.scale = static_cast<float>(settings.scale(alpha, static_cast<std::int64_t>(rank)));
    parts.dropout = settings.dropout;
    parts.count = count_;
    definition_ +=
        fmt::format("; {}: rank {}, scale {}{}", module.name, rank, parts.scale, settings.dora ? ", DoRA" : "");
    if (module.kind() == AdaptableModule::Kind::embedding) {
      attach_to_embedding(module, static_cast<std::int64_t>(rank), parts);
    } else {
      attach_to_layers(module, static_cast<std::int64_t>(rank), parts);
    }
  }

  [[nodiscard]] const std::string& definition() const { return definition_; }

 private:
  void attach_to_layers(const FileModule& module, std::int64_t rank, LowRankParts parts) {
    // A of the whole module, of which each layer reads the same input.
    const Parameter& first = base_of(module.layers.front());
    const std::int64_t in = first.shape[1];
    Parameter a = new_parameter(module.name + ".lora_A.weight", {rank, in}, first, as_linear_layers(), device_, seed_);
    parts.a = a.variable;
    // Of a layer that files have as a convolution of one pixel, PEFT has both thin matrices as such.
    const KernelExtent kernel = module.layers.front().form.kernel;
    if (kernel.taps() > 0 && lora_.settings.dora)
      throw usage_error(
          "{}: {} is a convolution in its file, for which there is no DoRA; take it out, or set lora.dora = false",
          place_, module.name);
    note(a.name, StoredForm{.name = file_name(module, "lora_A.weight"), .kernel = kernel});
    std::vector<Parameter> added{std::move(a)};
    for (const ModuleLayer& layer : module.layers) {
      const Parameter& base = base_of(layer);
      const std::int64_t out = base.shape[0];
      Parameter b = new_parameter(layer.layer->name + ".lora_B.weight", {out, rank}, base, Initialization::zeros(),
                                  device_, seed_);
      parts.b = b.variable;
      note(b.name, form_of(module, layer, "lora_B.weight"));
      added.push_back(std::move(b));
      if (lora_.settings.dora) {
        const std::vector<float> ones(static_cast<std::size_t>(std::max(in, out)), 1.0F);
        parts.ones = device_.upload(std::span<const float>(ones), Shape{static_cast<std::int64_t>(ones.size())});
        Parameter magnitudes = new_parameter(layer.layer->name + ".lora_magnitude_vector", {out}, base,
                                             Initialization::ones(), device_, seed_);
        parts.magnitudes = Variable();
        magnitudes.variable.set_value(row_lengths(device_, base.variable.value(), parts));
        parts.magnitudes = magnitudes.variable;
        note(magnitudes.name, form_of(module, layer, "lora_magnitude_vector"));
        added.push_back(std::move(magnitudes));
      }
      parts.number = number_++;
      layer.layer->adapter = std::make_shared<const LowRank>(parts);
      insert_behind(layer, std::move(added));
      added.clear();
    }
  }

  void attach_to_embedding(const FileModule& module, std::int64_t rank, LowRankParts parts) {
    if (lora_.settings.dora)
      throw usage_error("{}: {} is a table of words, for which there is no DoRA; take it out, or set lora.dora = false",
                        place_, module.name);
    const ModuleLayer& layer = module.layers.front();
    const Parameter& base = base_of(layer);
    Parameter a = new_parameter(module.name + ".lora_embedding_A", {base.shape[0], rank}, base, Initialization::zeros(),
                                device_, seed_);
    Parameter b = new_parameter(module.name + ".lora_embedding_B", {base.shape[1], rank}, base,
                                Initialization::normal(1.0F), device_, seed_);
    parts.a = a.variable;
    parts.b = b.variable;
    parts.number = number_++;
    note(a.name, StoredForm{.name = file_name(module, "lora_embedding_A"), .transposed = true});
    note(b.name, StoredForm{file_name(module, "lora_embedding_B")});
    layer.layer->adapter = std::make_shared<const LowRank>(parts);
    insert_behind(layer, {std::move(a), std::move(b)});
  }

  [[nodiscard]] const Parameter& base_of(const ModuleLayer& layer) const {
    return *model_.parameters().find(layer.weight);
  }
  [[nodiscard]] static std::string file_name(const FileModule& module, const char* end) {
    return fmt::format("{}{}.{}", kPeftPrefix, module.name, end);
  }
  /// The rows that the layer has of the module.
  [[nodiscard]] static StoredForm form_of(const FileModule& module, const ModuleLayer& layer, const char* end) {
    StoredForm form = layer.form;
    form.name = file_name(module, end);
    form.transposed = false;
    return form;
  }
  void note(const std::string& parameter, StoredForm form) { lora_.trained.push_back({parameter, std::move(form)}); }
  void insert_behind(const ModuleLayer& layer, std::vector<Parameter> added) {
    const std::string bias = layer.layer->name + ".bias";
    const bool has_bias = model_.parameters().find(bias) != nullptr;
    model_.parameters().insert_behind(has_bias ? bias : layer.weight, std::move(added));
  }

  Model& model_;
  Device& device_;
  Lora& lora_;
  std::uint64_t seed_;
  std::string place_;
  std::uint32_t count_ = 0;
  std::uint32_t number_ = 0;
  std::string definition_;
};

/// Marks the base, and notes what of it is trained along.
void mark_base(Model& model, Lora& lora) {
  std::set<std::string> adapted;
  for (const FileModule& module : lora.modules) adapted.insert(module.name);
  for (Parameter& parameter : model.parameters().all()) {
    if (parameter.role == ParameterRole::adapter || parameter.role == ParameterRole::statistic) continue;
    StoredForm form = model.names().forms_of(parameter).front();
    const bool is_adapted = adapted.contains(module_of(form.name));
    const bool trains_bias =
        form.name.ends_with(".bias") &&
        (lora.settings.bias == LoraBias::all || (lora.settings.bias == LoraBias::lora_only && is_adapted));
    parameter.is_base = !trains_bias && !is_saved_whole(lora.settings, form.name);
    if (parameter.is_base) continue;
    form.name = kPeftPrefix + (is_adapted ? module_of(form.name) + ".base_layer.bias" : form.name);
    lora.trained.push_back({parameter.name, std::move(form)});
  }
}

void require_modules_to_save(const Model& model, const LoraSettings& settings, const std::string& place) {
  const auto& unread = model.names().unread;
  for (const std::string& saved : settings.modules_to_save) {
    // PEFT names both, of which a model has one.
    if (saved == "classifier" || saved == "score") continue;
    LoraSettings alone;
    alone.modules_to_save = {saved};
    const auto& parameters = model.parameters().all();
    if (std::none_of(parameters.begin(), parameters.end(), [&](const Parameter& parameter) {
          return is_saved_whole(alone, model.names().forms_of(parameter).front().name);
        }))
      throw usage_error("{}: '{}' {}", place, saved,
                        std::find(unread.begin(), unread.end(), saved + ".weight") != unread.end()
                            ? "is tied to the embeddings in this model, which PEFT would leave behind; take it out"
                            : "fits no module of this model; correct or remove it");
  }
  if (!model.has_tied_head()) return;
  for (const std::shared_ptr<AdaptableModule>& module : model.parameters().modules()) {
    if (module->kind != AdaptableModule::Kind::embedding) continue;
    const Parameter& table = *model.parameters().find(module->name + ".weight");
    if (is_saved_whole(settings, model.names().forms_of(table).front().name))
      throw usage_error("{}: {} is the head of this model as well, which PEFT would leave behind; take it out", place,
                        module->name);
  }
}

}  // namespace

void add_trained_heads(LoraSettings& settings, const Model& model, std::span<const std::string> drawn) {
  const auto add = [&](const std::string& name) {
    if (std::find(settings.modules_to_save.begin(), settings.modules_to_save.end(), name) ==
        settings.modules_to_save.end())
      settings.modules_to_save.push_back(name);
  };
  if (!is_over_vocabulary(model.head_request().kind)) {
    add("classifier");
    add("score");
    // PEFT asks whoever has a model with other names of its own to name them.
    const auto is_saved = [&](const std::string& name) { return is_saved_whole(settings, name); };
    std::vector<std::string> of_head;
    for (const Parameter& parameter : model.parameters().all())
      if (parameter.role == ParameterRole::head) of_head.push_back(model.names().forms_of(parameter).front().name);
    if (std::none_of(of_head.begin(), of_head.end(), is_saved))
      for (const std::string& name : of_head) add(module_of(name));
  }
  for (const std::string& name : drawn) {
    const std::string stored = model.names().forms_of(*model.parameters().find(name)).front().name;
    if (!is_saved_whole(settings, stored)) add(module_of(stored));
  }
}

Lora attach_lora(Model& model, Device& device, LoraSettings settings, std::uint64_t seed, const std::string& place) {
  require_modules_to_save(model, settings, settings.peft_config.empty() ? "lora.modules_to_save" : place);
  Lora lora{std::move(settings), {}, {}};
  lora.modules = target_modules(model, lora.settings, place);
  Attachment attachment(model, device, lora, seed, place);
  for (const FileModule& module : lora.modules) attachment.attach(module);
  model.extend_definition(attachment.definition());
  mark_base(model, lora);
  return lora;
}

std::vector<std::string> idle_modules(const Model& model, Device& device, const Lora& lora) {
  std::vector<std::string> idle;
  for (const FileModule& module : lora.modules) {
    const auto is_zero = [&](const std::string& name) {
      const std::vector<float> values = device.download_as_f32(model.parameters().find(name)->variable.value());
      return std::all_of(values.begin(), values.end(), [](float value) { return value == 0.0F; });
    };
    const bool adds_nothing =
        module.kind() == AdaptableModule::Kind::embedding
            ? is_zero(module.name + ".lora_embedding_A")
            : std::all_of(module.layers.begin(), module.layers.end(),
                          [&](const ModuleLayer& layer) { return is_zero(layer.layer->name + ".lora_B.weight"); });
    if (adds_nothing) idle.push_back(module.name);
  }
  return idle;
}

std::string reason_against_merging(const Model& model, const Lora& lora) {
  if (!model.has_tied_head()) return "";
  for (const FileModule& module : lora.modules)
    if (module.kind() == AdaptableModule::Kind::embedding)
      return fmt::format(
          "the adapter of {} cannot be merged: the head of this model is tied to these embeddings and would change "
          "with them, though the adapter left it as it was",
          module.name);
  return "";
}

void merge_lora(Model& model, Device& device, const Lora& lora, TiedHead tied) {
  if (tied == TiedHead::refuse)
    if (const std::string reason = reason_against_merging(model, lora); !reason.empty())
      throw Error("{}; use the adapter beside the model instead", reason);
  for (const FileModule& module : lora.modules) {
    for (const ModuleLayer& layer : module.layers) {
      const Parameter& base = *model.parameters().find(layer.weight);
      base.variable.set_value(
          merged_weight(device, base.variable.value(), layer.layer->adapter->parts(), layer.layer->kind));
      layer.layer->adapter = nullptr;
    }
  }
  model.parameters().erase_adapters();
  for (Parameter& parameter : model.parameters().all()) parameter.is_base = false;
}

}  // namespace temper
