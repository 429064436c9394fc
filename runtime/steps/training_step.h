// One optimizer step of data-parallel training: the gradients of this rank's grains, their sum over all ranks,
// clipping, and the update of this rank's slices.
//
// Its bits depend on the configuration and the number of grains, never on the number of ranks: grains are computed with
// the same shapes wherever they run and summed along one tree, norms and losses are summed without rounding, and every
// count is reduced before anything is divided.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "comm/exchange/gradient_buckets.h"
#include "data/loader.h"
#include "model/model.h"
#include "runtime/steps/batch_norm_statistics.h"
#include "runtime/steps/optimizer.h"
#include "runtime/steps/parameter_store.h"
#include "runtime/steps/step_graphs.h"

namespace temper {

struct TrainingStepSettings {
  int grains = 1;
  double clip_norm = 0.0;  ///< 0: no clipping
  std::uint64_t seed = 0;  ///< of dropout
  UpdateSettings optimizer;
  std::vector<double> rate_factors;   ///< of each parameter of the model, in order
  std::vector<std::int64_t> updates;  ///< that each parameter's moments have seen; empty: none
  DType activations = DType::f32;
  BucketOptions buckets;             ///< the table is filled in
  std::int64_t bucket_elements = 0;  ///< about; 0: as many as suit the way between ranks
  bool frozen_dropout = false;       ///< also below the lowest stage that is trained
  Timeline* timeline = nullptr;      ///< where parts of a step are noted; may be null
  /// Rows of the model's token table that training reads, the same on all ranks; none: the table's gradient is dense.
  std::optional<RowSet> token_rows = std::nullopt;
  std::vector<std::string> measures = {};  ///< names of what the loss adds to its sum behind loss and weight
  bool live_batch_norm = false;            ///< batch norms norm by their own rows, and move the running statistics
  bool graphs = false;  ///< on a GPU: replays what it did for an earlier micro-batch of the same shape
};

/// Requests that take effect on all ranks if any rank raises them.
struct StepRequests {
  bool stop = false;
  bool save = false;
};

struct StepOutcome {
  double loss = 0.0;           ///< mean over what was counted
  double gradient_norm = 0.0;  ///< of the mean gradient, before clipping
  double weight = 0.0;         ///< what was counted
  std::int64_t tokens = 0;     ///< of all ranks
  bool save_due = false;
  bool stop_requested = false;                                ///< by any rank
  std::vector<std::pair<std::string, double>> measures = {};  ///< means over what was counted
};

/// The loss or the gradient of a step is infinite or NaN; nothing was updated.
class NotFinite : public Error {
 public:
  explicit NotFinite(const std::string& sentence) : Error(ErrorKind::failure, sentence) {}
};

class TrainingStep {
 public:
  /// Collective. Moves the values of the trainable parameters of `model` into an arena (ParameterStore), so take them
  /// out with release_values() before another TrainingStep is made.
  TrainingStep(Model& model, Device& device, Communicator& communicator, TrainingStepSettings settings);

  /// Collective. `number` is the 0-based number of the optimizer step: dropout's random numbers are a function of it.
  /// Throws NotFinite on all ranks if the loss or the gradient is not finite.
  StepOutcome run(const StepBatch& batch, std::int64_t number, double learning_rate, StepRequests requests);

  /// From now on batches bring the frozen part's output from there. It must outlive the step, or be replaced by null.
  void read_hidden_from(const HiddenRows* cache) { cache_ = cache; }
  /// Collective. Applies what steps have deferred. Call it before anything other than a step reads the parameters.
  void settle();
  /// Copies the trained values out of the arena into memory of the device, and gives up the arena.
  void release_values();

  [[nodiscard]] const ParameterStore& store() const { return *store_; }
  [[nodiscard]] Optimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] GradientBuckets& buckets() { return *buckets_; }
  /// Shapes of micro-batches that have been captured as graphs.
  [[nodiscard]] std::size_t recorded_graphs() const { return graphs_ == nullptr ? 0 : graphs_->recorded(); }
  /// Bytes of gradients and of optimizer state that this rank holds.
  [[nodiscard]] std::int64_t gradient_bytes() const;

 private:
  /// Rows of the table that tokens of this rank read in this step.
  [[nodiscard]] RowSet rows_of(const StepBatch& batch) const;
  /// Adds the loss of a grain to `sum` f64 [2 + measures], on the device. Returns the grain's tokens.
  std::int64_t run_grain(const std::vector<Batch>& micro_batches, float* gradients, std::int64_t number,
                         const Tensor& sum);
  /// Forward and backward of a micro-batch. `complete` is called for each slot whose gradient is final.
  void run_micro_batch(const Batch& batch, PhiloxKey key, const Tensor& sum,
                       const std::function<void(std::int64_t slot)>& complete);
  /// What a captured graph of such a batch would depend on now.
  [[nodiscard]] StepGraphs::Shape graph_shape(const BatchShape& batch, const Tensor& sum) const;
  void forward_and_backward(const DeviceBatch& batch, PhiloxKey key, const PhiloxKey* device_key, const Tensor& sum,
                            const std::function<void(std::int64_t slot)>& complete);
  /// What may have made the loss of step `number` infinite, and what to do.
  [[nodiscard]] std::string cause_of_not_finite(std::int64_t number, double learning_rate) const;
  /// The variable of the parameter in slot `slot` of the arena.
  [[nodiscard]] const Variable& variable(std::size_t slot) const {
    return model_.parameters().all()[store_->parameter_of_slot()[slot]].variable;
  }
  /// Loss, weight and measures of a grain.
  [[nodiscard]] std::int64_t sum_size() const { return 2 + static_cast<std::int64_t>(settings_.measures.size()); }
  [[nodiscard]] std::size_t slots() const { return store_->parameter_of_slot().size(); }

  Model& model_;
  Device& device_;
  Communicator& communicator_;
  TrainingStepSettings settings_;
  std::unique_ptr<ParameterStore> store_;
  std::unique_ptr<GradientBuckets> buckets_;
  std::unique_ptr<Optimizer> optimizer_;
  bool trains_embeddings_ = false;
  std::int64_t steps_ = 0;                            ///< that were taken here
  bool has_updated_ = false;                          ///< by one of them
  std::int64_t stages_below_ = 0;                     ///< that run without a tape and without dropout
  const HiddenRows* cache_ = nullptr;                 ///< of their output
  std::unique_ptr<BatchNormStatistics> batch_norms_;  ///< null: the running statistics stay as they are
  std::unique_ptr<StepGraphs> graphs_;                ///< null: every micro-batch is run through the tape
  Tensor sums_;  ///< f64, on the device: squares of the gradient by chunk, then loss, weight and measures of each own
                 ///< grain
};

}  // namespace temper
