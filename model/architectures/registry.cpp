#include "model/architectures/registry.h"

#include <algorithm>
#include <vector>

#include <fmt/ranges.h>

#include "base/error.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/model_files.h"

namespace temper {

// Each in its own file.
Architecture albert_architecture();
Architecture bert_architecture();
Architecture camembert_architecture();
Architecture cohere_architecture();
Architecture convnext_architecture();
Architecture deberta_v2_architecture();
Architecture deit_architecture();
Architecture dinov2_architecture();
Architecture dinov2_with_registers_architecture();
Architecture distilbert_architecture();
Architecture electra_architecture();
Architecture gemma2_architecture();
Architecture gemma3_text_architecture();
Architecture gpt2_architecture();
Architecture gpt_neox_architecture();
Architecture llama_architecture();
Architecture mistral_architecture();
Architecture modernbert_architecture();
Architecture mpnet_architecture();
Architecture olmo2_architecture();
Architecture phi3_architecture();
Architecture qwen2_architecture();
Architecture qwen3_architecture();
Architecture resnet_architecture();
Architecture roberta_architecture();
Architecture smollm3_architecture();
Architecture swin_architecture();
Architecture timm_convnext_architecture();
Architecture timm_resnet_architecture();
Architecture timm_swin_architecture();
Architecture timm_vision_transformer_architecture();
Architecture vit_architecture();
Architecture xlm_roberta_architecture();

namespace {

/// Sorted by model_type: the list that a user sees.
const std::vector<Architecture>& architectures() {
  // clang-format off
  static const std::vector<Architecture> kArchitectures{
      albert_architecture(),
      bert_architecture(),
      camembert_architecture(),
      cohere_architecture(),
      convnext_architecture(),
      deberta_v2_architecture(),
      deit_architecture(),
      dinov2_architecture(),
      dinov2_with_registers_architecture(),
      distilbert_architecture(),
      electra_architecture(),
      gemma2_architecture(),
      gemma3_text_architecture(),
      gpt2_architecture(),
      gpt_neox_architecture(),
      llama_architecture(),
      mistral_architecture(),
      modernbert_architecture(),
      mpnet_architecture(),
      olmo2_architecture(),
      phi3_architecture(),
      qwen2_architecture(),
      qwen3_architecture(),
      resnet_architecture(),
      roberta_architecture(),
      smollm3_architecture(),
      swin_architecture(),
      vit_architecture(),
      xlm_roberta_architecture(),
  };
  // clang-format on
  return kArchitectures;
}

/// Those of timm's folders.
const std::vector<Architecture>& timm_architectures() {
  static const std::vector<Architecture> kArchitectures{
      timm_convnext_architecture(),
      timm_resnet_architecture(),
      timm_swin_architecture(),
      timm_vision_transformer_architecture(),
  };
  return kArchitectures;
}

const Architecture* find_in(const std::vector<Architecture>& list, std::string_view model_type) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Architecture& architecture) {
    return architecture.model_type == model_type;
  });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

const Architecture* find_architecture(std::string_view model_type) { return find_in(architectures(), model_type); }

const Architecture* find_timm_architecture(std::string_view name) {
  for (const Architecture& architecture : timm_architectures())
    for (const std::string_view known : architecture.timm_names())
      if (known == name) return &architecture;
  return nullptr;
}

std::vector<std::string> supported_timm_names() {
  std::vector<std::string> names;
  for (const Architecture& architecture : timm_architectures())
    for (const std::string_view name : architecture.timm_names()) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

const Architecture& architecture_of(const ModelConfig& config) {
  const Architecture* architecture = find_architecture(config.model_type);
  if (architecture == nullptr) architecture = find_in(timm_architectures(), config.model_type);
  if (architecture == nullptr) throw Error("'{}' is no architecture of this program", config.model_type);
  return *architecture;
}

std::vector<std::string> supported_model_types() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures()) names.emplace_back(architecture.model_type);
  return names;
}

std::optional<HeadKind> head_of(const ModelConfig& config) {
  const std::string name = config.architectures.empty() ? std::string() : config.architectures.front();
  for (const HeadClass& own : architecture_of(config).own_classes)
    if (own.name == name) return own.kind;
  for (const HeadKind kind : kHeadKinds)
    if (name.ends_with(class_suffix(kind))) return kind;
  return std::nullopt;
}

void require_head(const ModelConfig& config, HeadKind kind) {
  const Architecture& architecture = architecture_of(config);
  if (architecture.offers(kind)) return;
  std::vector<std::string> known;
  for (const HeadKind other : architecture.heads) known.push_back(class_name(architecture, other));
  throw Error("{}: a model of type {} has no {}, expected one of {}; choose another task, or another model",
              config_place(config.folder).string(), in_quotes(config.model_type), class_name(architecture, kind),
              fmt::join(known, ", "));
}

std::unique_ptr<Model> make_model(const ModelConfig& config, const HeadRequest& request, double dropout) {
  require_head(config, request.kind);
  const Architecture& architecture = architecture_of(config);
  const ConfigKeys keys(config.json, config_place(config.folder), dropout);
  return std::make_unique<Model>(architecture.make(keys, request), request, class_name(architecture, request.kind));
}

}  // namespace temper
