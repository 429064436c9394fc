#include "runtime/steps/step_settings.h"

#include <set>

#include "model/freezing.h"
#include "model/width_scaling.h"

namespace temper {

void require_patterns(const ModelsOfPhases& models, std::span<const PhasePlan> phases,
                      std::span<const std::pair<std::string, double>> rates) {
  bool merged = false;
  for (const PhasePlan& phase : phases) {
    merged = merged || phase.merge_adapters;
    apply_freezing(models.of(merged), phase.freeze, phase.freeze_key);
    learning_rate_factors(models.of(merged), phase.layer_decay, rates);
  }
  apply_freezing(models.first, {});
}

std::vector<std::string> never_trained(const ModelsOfPhases& models, std::span<const PhasePlan> phases,
                                       std::span<const std::string> names) {
  std::set<std::string> frozen(names.begin(), names.end());
  bool merged = false;
  for (const PhasePlan& phase : phases) {
    merged = merged || phase.merge_adapters;
    Model& model = models.of(merged);
    apply_freezing(model, phase.freeze, phase.freeze_key);
    for (const Parameter& parameter : model.parameters().all())
      if (parameter.trainable()) frozen.erase(parameter.name);
  }
  apply_freezing(models.first, {});
  for (const Parameter& parameter : models.first.parameters().all())
    if (parameter.role == ParameterRole::statistic) frozen.erase(parameter.name);
  return {frozen.begin(), frozen.end()};
}

TrainingStepSettings step_settings(const Configuration& configuration, const PhasePlan& phase, const Model& model,
                                   const ExampleSource& train) {
  TrainingStepSettings settings;
  settings.clip_norm = configuration.train.clip_norm;
  settings.seed = static_cast<std::uint64_t>(configuration.train.seed);
  settings.optimizer = configuration.train.update;
  settings.rate_factors = learning_rate_factors(model, phase.layer_decay, configuration.tuning.rates);
  const std::vector<double> by_width = width_rate_factors(model, configuration.train.mup_base_width);
  for (std::size_t i = 0; i < by_width.size(); ++i) settings.rate_factors[i] *= by_width[i];
  settings.frozen_dropout = configuration.tuning.frozen_dropout;
  settings.graphs = configuration.run.cuda_graphs;
  settings.live_batch_norm = configuration.train.batch_norm == "live";
  settings.buckets.sum_order = configuration.train.sum_order == "library" ? SumOrder::library : SumOrder::fixed;
  settings.buckets.compression =
      configuration.train.compress_gradients == "bf16" ? Compression::bf16 : Compression::none;
  // Masking puts tokens into batches that no row has, so there any row of the table may be read.
  if (const Variable table = model.token_table();
      table.defined() && table.requires_gradient() && !train.is_transformed()) {
    settings.token_rows = RowSet(table.value().rows());
    for_each_batch(train, [&](const Batch& batch, std::int64_t) {
      settings.token_rows->insert_all_of(batch.text().ids);
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
