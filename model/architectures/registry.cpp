#include "model/architectures/registry.h"

#include <array>
#include <string_view>

#include "base/error.h"

namespace temper {
namespace {

struct Architecture {
  std::string_view model_type;
  EncoderArchitecture (*describe)(const ModelConfig&);
};

constexpr std::array kArchitectures{
    Architecture{"bert", bert_architecture},
    Architecture{"roberta", roberta_architecture},
    Architecture{"distilbert", distilbert_architecture},
};

struct TaskName {
  Task task;
  std::string_view name;
};

constexpr std::array kTasks{
    TaskName{Task::sequence_classification, "sequence-classification"},
    TaskName{Task::regression, "regression"},
    TaskName{Task::multi_label, "multi-label"},
    TaskName{Task::token_classification, "token-classification"},
    TaskName{Task::masked_lm, "masked-lm"},
};

}  // namespace

std::unique_ptr<Model> make_model(const ModelConfig& config, const HeadRequest& request) {
  if (request.task == Task::masked_lm && !config.tied_embeddings)
    throw Error(
        "{}: \"tie_word_embeddings\" is false; a language-model head with output embeddings of its own is not "
        "supported",
        (config.folder / "config.json").string());
  std::string supported;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.model_type == config.model_type)
      return std::make_unique<Encoder>(config, architecture.describe(config), request);
    supported += (supported.empty() ? "" : ", ") + std::string(architecture.model_type);
  }
  throw Error("{}: model_type '{}' is not supported; supported are {}", (config.folder / "config.json").string(),
              config.model_type, supported);
}

Task parse_task(const std::string& name) {
  std::string known;
  for (const TaskName& entry : kTasks) {
    if (entry.name == name) return entry.task;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw usage_error("model.task is '{}'; expected one of {}", name, known);
}

std::string name_of(Task task) {
  for (const TaskName& entry : kTasks)
    if (entry.task == task) return std::string(entry.name);
  return "unknown";
}

bool is_token_task(Task task) { return task == Task::token_classification || task == Task::masked_lm; }

}  // namespace temper
