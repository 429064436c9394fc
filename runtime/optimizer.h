// The optimizer of one rank: the state of the slices that it owns, and the fused pass that updates them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

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

class Optimizer {
 public:
  /// `owned`: ascending ranges of the arena, in whole chunks.
  Optimizer(Device& device, const ArenaLayout& layout, std::vector<ElementRange> owned,
            const OptimizerSettings& settings, std::vector<SlotSettings> slots);

  /// Sums of squares of the gradients, one a chunk of the arena: sums [layout.chunks()], on the device. Chunks of other
  /// ranks are left as they are.
  void chunk_square_sums(const float* gradients, double* sums) const;
  /// Updates the own slices of the arena. gradient_scale: 1 / count, times the clipping factor. `working` (may be null)
  /// is an arena of bf16 that receives the updated parameters too.
  void step(float* parameters, const float* gradients, BFloat16* working, double learning_rate, double gradient_scale);

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

  Device& device_;
  ArenaLayout layout_;
  std::vector<ElementRange> owned_;
  OptimizerSettings settings_;
  std::vector<SlotSettings> slots_;
  std::vector<Segment> segments_;
  Tensor first_;
  Tensor second_;
};

}  // namespace temper
