#include "runtime/config/usual_names.h"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/tasks/task.h"

namespace temper {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

/// Of transformers' TrainingArguments, of PyTorch and of papers; on the right, ours.
constexpr std::array kNames{
    // keys
    Pair{"adam_beta1", "beta1"},
    Pair{"adam_beta2", "beta2"},
    Pair{"adam_epsilon", "epsilon"},
    Pair{"early_stopping_patience", "early_stopping"},
    Pair{"eps", "epsilon"},
    Pair{"eval_steps", "every_steps"},
    Pair{"grad_accum", "gradient_accumulation"},
    Pair{"gradient_checkpointing", "checkpoint_activations"},
    Pair{"gradient_clipping", "clip_norm"},
    Pair{"label_smoothing_factor", "label_smoothing"},
    Pair{"logging_steps", "log_every"},
    Pair{"lr", "learning_rate"},
    Pair{"lr_scheduler", "schedule"},
    Pair{"lr_scheduler_type", "schedule"},
    Pair{"max_grad_norm", "clip_norm"},
    Pair{"max_seq_len", "max_length"},
    Pair{"max_seq_length", "max_length"},
    Pair{"metric_for_best_model", "metric"},
    Pair{"model_name_or_path", "path"},
    Pair{"num_epochs", "epochs"},
    Pair{"num_train_epochs", "epochs"},
    Pair{"output_dir", "dir"},
    Pair{"patience", "early_stopping"},
    Pair{"per_device_train_batch_size", "batch_size"},
    Pair{"save_steps", "every_steps"},
    Pair{"save_total_limit", "keep"},
    Pair{"wd", "weight_decay"},
    // values
    Pair{"bfloat16", "bf16"},
    Pair{"float32", "f32"},
    Pair{"fp32", "f32"},
    Pair{"gpu", "cuda"},
};

}  // namespace

std::string usual_name(std::string_view name) {
  const auto* const found =
      std::find_if(kNames.begin(), kNames.end(), [&](const Pair& pair) { return pair.first == name; });
  if (found != kNames.end()) return std::string(found->second);
  for (const TaskSpec& task : tasks())
    if (std::find(task.other_names.begin(), task.other_names.end(), name) != task.other_names.end())
      return std::string(task.name);
  return "";
}

}  // namespace temper
