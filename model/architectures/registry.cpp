#include "model/architectures/registry.h"

#include <vector>

#include "base/error.h"

namespace temper {

// Each in its own file.
Architecture albert_architecture();
Architecture bert_architecture();
Architecture camembert_architecture();
Architecture deberta_v2_architecture();
Architecture distilbert_architecture();
Architecture electra_architecture();
Architecture mpnet_architecture();
Architecture roberta_architecture();
Architecture xlm_roberta_architecture();

namespace {

/// Sorted by model_type: the list that a user sees.
const std::vector<Architecture>& architectures() {
  // clang-format off
  static const std::vector<Architecture> kArchitectures{
      albert_architecture(),
      bert_architecture(),
      camembert_architecture(),
      deberta_v2_architecture(),
      distilbert_architecture(),
      electra_architecture(),
      mpnet_architecture(),
      roberta_architecture(),
      xlm_roberta_architecture(),
  };
  // clang-format on
  return kArchitectures;
}

}  // namespace

const Architecture* find_architecture(std::string_view model_type) {
  for (const Architecture& architecture : architectures())
    if (architecture.model_type == model_type) return &architecture;
  return nullptr;
}

const Architecture& architecture_of(const ModelConfig& config) {
  const Architecture* architecture = find_architecture(config.model_type);
  if (architecture == nullptr) throw Error("'{}' is no architecture of this program", config.model_type);
  return *architecture;
}

std::vector<std::string> supported_model_types() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures()) names.emplace_back(architecture.model_type);
  return names;
}

std::unique_ptr<Model> make_model(const ModelConfig& config, const HeadRequest& request, double dropout) {
  const Architecture& architecture = architecture_of(config);
  const ConfigKeys keys(config.json, config.folder / "config.json", dropout);
  return std::make_unique<Model>(architecture.make(keys, request), request, class_name(architecture, request.task));
}

}  // namespace temper
