// One optimizer step of data-parallel training, top to bottom: the gradients of this rank's grains, their sum over all
// ranks, clipping, and the update of this rank's slices.
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
#include <vector>

#include "base/error.h"
#include "comm/exchange/gradient_buckets.h"
#include "data/loader.h"
#include "model/model.h"
#include "runtime/steps/optimizer.h"
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
  BucketOptions buckets;
  bool frozen_dropout = false;   ///< also below the lowest stage that is trained
  Timeline* timeline = nullptr;  ///< where parts of a step are noted; may be null
  /// Rows of the model's token table that training reads, the same on all ranks; none: the table's gradient is dense.
  std::optional<RowSet> token_rows = std::nullopt;
  bool graphs = false;  ///< on a GPU: replays what it did for an earlier micro-batch of the same shape
};

/// What a rank would like; one rank's wish is everybody's.
struct StepWishes {
  bool stop = false;
  bool save = false;
};

struct StepOutcome {
  double loss = 0.0;           ///< mean over what was counted
  double gradient_norm = 0.0;  ///< of the mean gradient, before clipping
  double weight = 0.0;         ///< what was counted
  std::int64_t tokens = 0;     ///< of all ranks
  bool save_due = false;
  bool stop_requested = false;  ///< by any rank
};

/// The loss or the gradient of a step is infinite or no number; nothing was updated.
class NotFinite : public Error {
 public:
  explicit NotFinite(const std::string& sentence) : Error(ErrorKind::failure, sentence) {}
};

class TrainingStep {
 public:
  /// Collective. Moves the values of the trainable parameters of `model` into an arena; the destructor leaves them
  /// there only until then, so take them out with release_values() before another TrainingStep is made.
  TrainingStep(Model& model, Device& device, Communicator& communicator, TrainingStepSettings settings);

  /// Collective. `number` is the 0-based number of the optimizer step: dropout's random numbers are a function of it.
  /// Throws NotFinite on all ranks if the loss or the gradient is not finite.
  StepOutcome run(const Step& batch, std::int64_t number, double learning_rate, StepWishes wishes);

  /// From now on batches bring the frozen part's output from there. It must outlive the step, or be replaced by null.
  void read_hidden_from(const HiddenRows* cache) { cache_ = cache; }
  /// Collective. What a step may leave for later is done: before anybody but a step reads the parameters.
  void settle();
  /// Copies the trained values out of the arena into memory of the device, and gives up the arena.
  void release_values();

  /// The arena's slots: which parameter of the model (index) lies in slot i.
  [[nodiscard]] std::span<const std::size_t> parameter_of_slot() const { return parameter_of_slot_; }
  [[nodiscard]] const ArenaLayout& layout() const { return layout_; }
  [[nodiscard]] Optimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] GradientBuckets& buckets() { return *buckets_; }
  /// Shapes of micro-batches that have been recorded as graphs.
  [[nodiscard]] std::size_t recorded_graphs() const { return graphs_ == nullptr ? 0 : graphs_->recorded(); }
  /// Bytes of gradients and of optimizer state that this rank holds.
  [[nodiscard]] std::int64_t gradient_bytes() const;

 private:
  /// Which slot the model's token table is, if its gradient is to be sparse.
  [[nodiscard]] std::optional<SparseTable> sparse_table() const;
  /// Rows of the table that tokens of this rank read in this step.
  [[nodiscard]] RowSet rows_of(const Step& batch) const;
  /// Adds the loss of a grain to `sum` f64 [2], on the device. Returns the grain's tokens.
  std::int64_t run_grain(const std::vector<Batch>& micro_batches, float* gradients, std::int64_t number,
                         const Tensor& sum);
  /// Forward and backward of a micro-batch. `complete` is called for each slot whose gradient is final.
  void run_micro_batch(const Batch& batch, PhiloxKey key, const Tensor& sum,
                       const std::function<void(std::int64_t slot)>& complete);
  void forward_and_backward(const DeviceBatch& batch, PhiloxKey key, const PhiloxKey* device_key, const Tensor& sum,
                            const std::function<void(std::int64_t slot)>& complete);
  /// What may have made the loss of step `number` infinite, and what to do.
  [[nodiscard]] std::string cause_of_not_finite(std::int64_t number, double learning_rate) const;
  /// Brings this part of the working copies up to date with the arena.
  void round_parameters(ElementRange range);
  [[nodiscard]] BFloat16* working_arena() const;

  Model& model_;
  Device& device_;
  Communicator& communicator_;
  TrainingStepSettings settings_;
  std::vector<std::size_t> parameter_of_slot_;
  ArenaLayout layout_;
  std::unique_ptr<GradientBuckets> buckets_;
  const TablePlace* table_ = nullptr;  ///< null: all gradients are dense
  std::int64_t table_slot_ = -1;
  std::unique_ptr<Optimizer> optimizer_;
  bool trains_embeddings_ = false;
  std::int64_t steps_ = 0;              ///< that were taken here
  bool has_updated_ = false;            ///< by one of them
  std::int64_t stages_below_ = 0;       ///< that run without a tape and without dropout
  const HiddenRows* cache_ = nullptr;   ///< of their output
  std::unique_ptr<StepGraphs> graphs_;  ///< null: every micro-batch is run through the tape
  Tensor working_;                      ///< the arena in the type of the activations, where that is not f32
  Tensor sums_;  ///< f64, on the device: squares of the gradient by chunk, then loss and weight of each own grain
};

}  // namespace temper
