#include "runtime/tasks/task.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace temper {

// Each in its own file.
TaskSpec sequence_classification();
TaskSpec regression();
TaskSpec multi_label();
TaskSpec token_classification();
TaskSpec masked_lm();
TaskSpec causal_lm();
TaskSpec dpo();
TaskSpec image_classification();
TaskSpec image_multi_label();
TaskSpec image_regression();

namespace {

/// One class is none to choose from, and transformers refuses such a folder.
bool takes(const TaskSpec& task, std::size_t labels) { return task.labels != LabelKind::single_class || labels != 1; }

}  // namespace

const std::vector<TaskSpec>& tasks() {
  static const std::vector<TaskSpec> kTasks{sequence_classification(),
                                            regression(),
                                            multi_label(),
                                            token_classification(),
                                            masked_lm(),
                                            causal_lm(),
                                            dpo(),
                                            image_classification(),
                                            image_multi_label(),
                                            image_regression()};
  return kTasks;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const TaskSpec& task : tasks()) names.emplace_back(task.name);
  return names;
}

const TaskSpec& task_named(std::string_view name) {
  const auto found = std::find_if(tasks().begin(), tasks().end(), [&](const TaskSpec& t) { return t.name == name; });
  if (found == tasks().end())
    throw usage_error("model.task is '{}'; expected one of {}", name, fmt::join(task_names(), ", "));
  return *found;
}

const TaskSpec& served_by(const TaskSpec& task) { return task.serves_as.empty() ? task : task_named(task.serves_as); }

const TaskSpec* task_of_head(HeadKind head, std::string_view problem_type, std::size_t labels) {
  std::vector<const TaskSpec*> fitting;
  for (const TaskSpec& task : tasks())
    if (task.head == head && task.serves_as.empty() && takes(task, labels)) fitting.push_back(&task);
  for (const TaskSpec* task : fitting)
    if (!task->problem_type.empty() && task->problem_type == problem_type) return task;
  for (const TaskSpec* task : fitting)
    if ((task->labels == LabelKind::regression) == (labels == 1) || fitting.size() == 1) return task;
  return nullptr;
}

std::string_view problem_type_of(const TaskSpec& task, std::size_t labels) {
  return takes(task, labels) ? task.problem_type : std::string_view();
}

}  // namespace temper
