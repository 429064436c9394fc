// The optimizer of one rank: the state of the slices that it owns, and the pass of the update rule over them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/exchange/sparse_table.h"
#include "runtime/updates/update_rule.h"
#include "tensor/arena.h"
#include "tensor/device.h"

namespace temper {

/// What is particular to one parameter of the arena.
struct SlotSettings {
  double rate_factor = 1.0;  ///< on the scheduled learning rate
  bool decays = true;
  std::int64_t updates = 0;  ///< that its state has seen
  std::int64_t rows = 0;     ///< of a matrix; 0: it is none
  std::int64_t columns = 0;
};

/// Rows of a sparse table that training does not read (their gradient is always zero) are left out of each step;
/// settle() applies their deferred decay, with exactly the bits that the steps would have given.
class Optimizer {
 public:
  /// `owned`: ascending ranges of the arena, in whole chunks. A table is for devices that share the host's memory, and
  /// where the rule supports lazy decay. Throws a usage Error where there is no such rule.
  Optimizer(Device& device, Communicator& communicator, const ArenaLayout& layout,
            const std::vector<ElementRange>& owned, const UpdateSettings& settings, std::vector<SlotSettings> slots,
            const std::optional<SparseTable>& table = {});

  /// Collective. Updates the own slices of the arena. gradient_scale: 1 / count, times the clipping factor.
  /// `compute_copy` (may be null) is an arena of bf16 that receives the updated parameters too.
  void step(float* parameters, const float* gradients, BFloat16* compute_copy, double learning_rate,
            double gradient_scale);

  /// True if there is deferred decay for settle() to apply: the same on all ranks.
  [[nodiscard]] bool has_deferred_decay() const { return !factors_.empty(); }
  /// Applies the deferred decay to the rows that steps left out, in this rank's slices.
  void settle(float* parameters, BFloat16* compute_copy);

  /// Elements [begin, begin + size) of a state array (of rule().state) of parameter `slot`, on the device.
  struct StateSlice {
    std::size_t slot;
    std::size_t array;
    std::int64_t begin;
    std::int64_t size;
    float* values;
    bool whole;  ///< every rank holds the same
  };
  /// The own state, to be saved or filled.
  [[nodiscard]] std::vector<StateSlice> state();
  [[nodiscard]] std::span<SlotSettings> slots() { return slots_; }
  [[nodiscard]] const UpdateRule& rule() const { return rule_; }

 private:
  /// Where the elements of each state array begin.
  using StatePlaces = std::array<std::int64_t, kMostStateArrays>;
  /// Part of a slot that this rank owns.
  struct Segment {
    std::size_t slot;
    std::int64_t begin;  ///< in the arena
    std::int64_t size;
    StatePlaces state;
  };

  [[nodiscard]] std::int64_t state_elements(std::size_t array, std::size_t slot, std::int64_t size) const;
  [[nodiscard]] SlotUpdate slot_update(std::size_t slot, double learning_rate) const;
  void note_decay(double learning_rate);

  Device& device_;
  Communicator& communicator_;
  ArenaLayout layout_;
  UpdateSettings settings_;
  const UpdateRule& rule_;
  std::vector<SlotSettings> slots_;
  std::vector<Segment> segments_;
  std::vector<Segment> updated_;        ///< the parts of segments that steps update
  std::vector<ElementRange> deferred_;  ///< the other parts
  std::int64_t waiting_slot_ = -1;
  std::vector<float> factors_;             ///< by which steps would have multiplied what waits, in their order
  std::vector<StatePlaces> whole_places_;  ///< of each slot, in arrays of which every rank holds all
  std::vector<Tensor> state_;              ///< the arrays of the rule
};

}  // namespace temper
