// What a model is fine-tuned for. A task is one file beside this one and a row of the table in task.cpp; nothing else
// asks which task it is, but only what its row says.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tables/label_values.h"
#include "model/head_kind.h"
#include "model/loss.h"

namespace temper {

class PredictionWriter;
class Scores;
struct PredictionContext;
struct ScoreSettings;

struct TaskSpec {
  std::string_view name;  ///< model.task: "sequence-classification"
  /// What else people call it: asked for one of these, a user is told the name. No other task has it.
  std::vector<std::string_view> other_names;

  HeadKind head;
  LossKind loss;
  LabelKind labels;  ///< how a row's labels are read
  /// Name of the task that a model trained by this one is for; empty: this one. What is delivered is then that task's,
  /// and nobody evaluates or predicts by this one.
  std::string_view serves_as = {};
  bool masks_tokens = false;  ///< of the inputs, others in each epoch, which are what is to be predicted

  std::string_view hub_pipeline;       ///< what model hubs call it, for the model card
  std::string_view problem_type = {};  ///< of config.json, where transformers tells tasks of one head apart by it

  std::string_view best_metric;  ///< by which the best model is chosen; higher_is_better says in which direction
  std::unique_ptr<Scores> (*make_scores)(const ScoreSettings& settings);
  /// Scores read of outputs the predicted class alone, and predictions are written from the losses of tokens that have
  /// a label: outputs over a whole vocabulary need not be kept.
  bool reads_row_losses = false;

  /// What a step tells beside its loss, by what the loss adds to its sum behind the first two (model/head.h).
  std::vector<std::string_view> step_measures = {};

  std::vector<std::string_view> predicted_members = {};  ///< of a row's JSON, which kept columns may not be called
  std::unique_ptr<PredictionWriter> (*make_prediction_writer)(const PredictionContext& context) = nullptr;
};

/// The table, in the order in which users see it.
const std::vector<TaskSpec>& tasks();
std::vector<std::string> task_names();
/// Throws a usage Error that lists the tasks.
const TaskSpec& task_named(std::string_view name);

/// The task that a model trained by `task` is for.
const TaskSpec& served_by(const TaskSpec& task);

/// What a fine-tuned model's config.json tells of: the task of its head, and of several that one with its
/// `problem_type`; none that serves as another. As in transformers, a single output is a number unless problem_type
/// says something else. Null where no task has such a head.
const TaskSpec* task_of_head(HeadKind head, std::string_view problem_type, std::size_t labels);

/// The problem_type to write for a head of so many labels.
std::string_view problem_type_of(const TaskSpec& task, std::size_t labels);

}  // namespace temper
