#include "runtime/steps/step_settings.h"

#include "model/freezing.h"

namespace temper {

OptimizerSettings optimizer_settings(const TrainSection& train) {
  return {train.optimizer == "sgd" ? OptimizerKind::sgd : OptimizerKind::adamw,
          train.weight_decay,
          train.beta1,
          train.beta2,
          train.epsilon,
          train.momentum};
}

void require_patterns(Model& model, std::span<const PhasePlan> phases,
                      std::span<const std::pair<std::string, double>> rates) {
  for (const PhasePlan& phase : phases) {
    apply_freezing(model, phase.freeze);
    learning_rate_factors(model, phase.layer_decay, rates);
  }
  apply_freezing(model, {});
}

TrainingStepSettings step_settings(const Configuration& configuration, const PhasePlan& phase, const Model& model,
                                   const TokenStore& train) {
  TrainingStepSettings settings;
  settings.clip_norm = configuration.train.clip_norm;
  settings.seed = static_cast<std::uint64_t>(configuration.train.seed);
  settings.optimizer = optimizer_settings(configuration.train);
  settings.rate_factors = learning_rate_factors(model, phase.layer_decay, configuration.tuning.rates);
  settings.frozen_dropout = configuration.tuning.frozen_dropout;
  settings.graphs = configuration.run.cuda_graphs;
  settings.buckets.sum_order = configuration.train.sum_order == "library" ? SumOrder::library : SumOrder::fixed;
  settings.buckets.compression =
      configuration.train.compress_gradients == "bf16" ? Compression::bf16 : Compression::none;
  if (const Variable table = model.token_table(); table.defined() && table.requires_gradient()) {
    settings.token_rows = RowSet(table.value().rows());
    train.scan(train.ids(), [&](std::span<const std::int32_t> ids, std::size_t) {
      settings.token_rows->insert_all_of(ids);
      return true;
    });
  }
  return settings;
}

LoaderOptions loader_options(const Configuration& configuration, int grains, TreeNode own) {
  LoaderOptions options;
  options.batch_size = configuration.train.batch_size;
  options.grains = grains;
  options.first_grain = own.begin;
  options.last_grain = own.end;
  options.micro_batches = static_cast<int>(configuration.train.gradient_accumulation);
  options.seed = static_cast<std::uint64_t>(configuration.train.seed);
  options.shuffle = configuration.data.shuffle;
  options.epochs = -1;
  return options;
}

}  // namespace temper
