// The optimizer of one rank: the state of the slices that it owns, and the fused pass that updates them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/exchange/sparse_table.h"
#include "tensor/arena.h"
#include "tensor/device.h"

namespace temper {

enum class OptimizerKind : std::uint8_t { adamw, sgd };

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::adamw;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum = 0.9;
};

/// What is particular to one parameter of the arena.
struct SlotSettings {
  double rate_factor = 1.0;  ///< on the scheduled learning rate
  bool decays = true;
  std::int64_t updates = 0;  ///< that its moments have seen
};

/// True if a parameter whose gradient and moments have been zero so far is at most scaled by an update: decay that is
/// not part of the gradient.
bool may_wait(const OptimizerSettings& settings);

/// Rows of a sparse table that training does not read (their gradient is always zero) are left out of each step; what
/// their decay comes to is applied by settle(), bit for bit what steps would have done.
class Optimizer {
 public:
  /// `owned`: ascending ranges of the arena, in whole chunks. A table is for devices that share the host's memory, and
  /// where may_wait() holds.
  Optimizer(Device& device, const ArenaLayout& layout, std::vector<ElementRange> owned,
            const OptimizerSettings& settings, std::vector<SlotSettings> slots,
            const std::optional<SparseTable>& table = {});

  /// Sums of squares of the gradients, one a chunk of the arena: sums [layout.chunks()], on the device. Chunks of other
  /// ranks are left as they are.
  void chunk_square_sums(const float* gradients, double* sums) const;
  /// The same bits, from the elements outside `place` and in these rows of it; the others are zero. On the host.
  void chunk_square_sums(const float* gradients, double* sums, const TablePlace& place, const RowSet& live) const;
  /// Updates the own slices of the arena. gradient_scale: 1 / count, times the clipping factor. `working` (may be null)
  /// is an arena of bf16 that receives the updated parameters too.
  void step(float* parameters, const float* gradients, BFloat16* working, double learning_rate, double gradient_scale);

  /// True if settle() has something to do: the same on all ranks.
  [[nodiscard]] bool is_behind() const { return !factors_.empty(); }
  /// Brings the rows that steps leave out up to date, in the own slices.
  void settle(float* parameters, BFloat16* working);

  /// Elements [begin, begin + size) of parameter `slot`, and their moments on the device.
  struct StateSlice {
    std::size_t slot;
    std::int64_t begin;
    std::int64_t size;
    float* first;
    float* second;  ///< null for SGD
  };
  /// The own state, to be saved or filled.
  [[nodiscard]] std::vector<StateSlice> state();
  [[nodiscard]] std::span<SlotSettings> slots() { return slots_; }
  [[nodiscard]] const OptimizerSettings& settings() const { return settings_; }

 private:
  /// Part of a slot that this rank owns.
  struct Segment {
    std::size_t slot;
    std::int64_t begin;  ///< in the arena
    std::int64_t size;
    std::int64_t state;  ///< where its moments begin
  };

  void note_decay(double learning_rate);

  Device& device_;
  ArenaLayout layout_;
  std::vector<ElementRange> owned_;
  OptimizerSettings settings_;
  std::vector<SlotSettings> slots_;
  std::vector<Segment> segments_;
  std::vector<Segment> updated_;       ///< the parts of segments that steps update
  std::vector<ElementRange> waiting_;  ///< the other parts
  std::int64_t waiting_slot_ = -1;
  std::vector<float> factors_;  ///< by which steps would have multiplied what waits, in their order
  Tensor first_;
  Tensor second_;
};

}  // namespace temper
