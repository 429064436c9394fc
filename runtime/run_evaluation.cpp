#include "runtime/run_evaluation.h"

#include "runtime/evaluation/evaluator.h"

namespace temper {

std::optional<Metrics> measure_model(PreparedRun& run, const ExampleSource& rows, const FrozenCache* cache,
                                     const std::function<bool()>& wants_to_stop, RowOutputs* outputs) {
  EvaluationSettings settings;
  settings.task = &run.task();
  settings.batch_size = run.configuration().evaluate.batch_size;
  settings.activations = run.activations();
  settings.entities = run.entities();
  settings.threshold = run.configuration().evaluate.threshold;
  settings.positive = run.measures().positive;
  settings.outputs = outputs;
  settings.cache = cache;
  settings.stop_requested = wants_to_stop;
  return evaluate(run.model(), run.device(), run.communicator(), rows, settings);
}

}  // namespace temper
