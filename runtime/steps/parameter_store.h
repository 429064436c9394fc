// Where the parameters of a model are while a phase trains it: what is trained in one arena, of which each rank updates
// its slices; the frozen rest as it was loaded. How each stage is held is a Placement's business. Whoever runs the
// model meanwhile, or reads its values (Model::for_each_value), has the store observe the stages, for the model tells
// it; a checkpoint asks the store (read).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "comm/exchange/bucket_plan.h"
#include "comm/exchange/parameter_exchange.h"
#include "comm/exchange/sparse_table.h"
#include "model/model.h"
#include "runtime/steps/placement.h"
#include "tensor/arena.h"
#include "tensor/device.h"
#include "tensor/host_copy.h"

namespace temper {

/// How the trainable parameters of a model lie in an arena: in the reverse of the order in which the forward pass meets
/// them, which is that in which backward finishes their gradients. `chunks`: of the sections, as ArenaLayout takes it.
struct TrainableSlots {
  explicit TrainableSlots(const Model& model, std::int64_t chunks = 1);

  std::vector<std::size_t> parameters;  ///< of each slot, which of the model's
  ArenaLayout layout;
};

struct StoreSettings {
  DType activations = DType::f32;
  RankLinks links = {};
  std::int64_t bucket_elements = 0;  ///< about; 0: as many as suit the way between ranks
  /// Rows of the model's token table that steps update, the same on all ranks; none: its gradient is dense.
  std::optional<RowSet> updated_rows = std::nullopt;
};

class ParameterStore {
 public:
  /// Collective. Moves the values of the trainable parameters of `model`, which must outlive it, into an arena, gives
  /// all parameters compute copies in the type of the activations, and observes the model's stages from then on. What
  /// release() does not take out is lost with the store.
  ParameterStore(Model& model, Device& device, Communicator& communicator, const StoreSettings& settings);
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;
  ~ParameterStore();

  [[nodiscard]] const ArenaLayout& layout() const { return slots_.layout; }
  [[nodiscard]] const BucketPlan& plan() const { return plan_; }
  /// Which parameter of the model (index) lies in slot i.
  [[nodiscard]] std::span<const std::size_t> parameter_of_slot() const { return slots_.parameters; }
  /// The model's token table, where its gradient is sparse.
  [[nodiscard]] const std::optional<SparseTable>& table() const { return table_; }
  /// Elements [begin, begin + size) of the parameter in `slot`, which this rank owns.
  struct OwnSlice {
    std::size_t slot;
    std::int64_t begin;
    std::int64_t size;
  };
  [[nodiscard]] std::vector<OwnSlice> own_slices() const;

  // ---- steps
  /// Gradients of all slots are written to this arena from now on, and count as unwritten; but those of a sparse table
  /// count as zero.
  void bind_gradients(float* gradients) const;
  /// The arena, of which this rank may write its slices between the passes.
  [[nodiscard]] float* parameters() { return exchange_->parameters(); }
  /// The same in the type of the activations, to be written with it; null where that is f32.
  [[nodiscard]] BFloat16* compute_copy() const {
    return compute_copy_.defined() ? compute_copy_.data<BFloat16>() : nullptr;
  }
  /// Collective. Makes the slices that ranks have written visible everywhere.
  void share(SharedRows rows);
  /// Before work that reads parameters is given to the device.
  void wait() { exchange_->wait(); }
  /// Is told of the stages that a pass goes through.
  [[nodiscard]] StageObserver& stages() { return *ahead_; }

  // ---- readers
  /// How a parameter of the model (index) is held: "replicated", "mapped".
  [[nodiscard]] std::string_view placement_of(std::size_t parameter) const;
  /// Elements of a parameter of the model (index), on the host.
  [[nodiscard]] HostCopy read(std::size_t parameter, ElementRange elements) const;

  /// Collective. Copies the trained values out of the arena into memory of the device: the model no longer needs the
  /// store, which is not to be used any more.
  void release();

 private:
  [[nodiscard]] std::optional<SparseTable> sparse_table(const std::optional<RowSet>& updated) const;
  void move_into_arena();
  void place_stages();
  [[nodiscard]] const Parameter& parameter(std::size_t slot) const {
    return model_.parameters().all()[slots_.parameters[slot]];
  }
  [[nodiscard]] bool is_mapped(const Parameter& parameter) const;
  /// Updates this part of the compute copies from the arena.
  void round(ElementRange range);

  Model& model_;
  Device& device_;
  Communicator& communicator_;
  TrainableSlots slots_;
  BucketPlan plan_;
  std::optional<SparseTable> table_;
  std::unique_ptr<ParameterExchange> exchange_;
  Tensor compute_copy_;  ///< the arena in the type of the activations, where that is not f32
  ReplicatedPlacement replicated_;
  MappedPlacement mapped_;
  std::optional<GatherAhead> ahead_;  ///< until release()
};

}  // namespace temper
