#include "model/task.h"

#include <array>
#include <string_view>

#include "base/error.h"

namespace temper {
namespace {

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
