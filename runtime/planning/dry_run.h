// Dry run of a model on shapes alone: counts the operations, bytes and memory of forward and backward passes of real
// micro-batches, on a device that computes nothing (tensor/cost/idle_device.h). The model, the tape and the kernels'
// calls are those of training, so whatever they leave out (frozen parts, unread tokens, activations computed again) is
// left out here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "model/adapters/lora.h"
#include "model/architectures/registry.h"
#include "model/weights.h"
#include "tensor/cost/idle_device.h"

namespace temper {

/// Calls of one kernel that need the same.
struct KernelDemand {
  KernelId kernel;
  KernelWork work;  ///< of one call
  std::int64_t calls = 0;
};

struct PassDemand {
  std::vector<KernelDemand> kernels;
  double forward_operations = 0.0;
  double backward_operations = 0.0;  ///< what is computed again included
  std::int64_t tokens = 0;
  std::int64_t activation_bytes = 0;  ///< the most at once, beside parameters and gradients; and what kernels keep

  /// The kernels' calls add up; of the memory, the larger counts.
  PassDemand& operator+=(const PassDemand& other);
};

struct Configuration;

class DryRun {
 public:
  /// `activations`: f32 or bf16. Parameters have shapes, but no values. `held`: the types of those that are not
  /// trained, in order; none: all in f32. With the adapters that a configuration asks for, if one is given; `drawn`:
  /// parameters that the files lack, which are then trained along.
  DryRun(const ModelConfig& config, const HeadRequest& request, DType activations, std::vector<DType> held = {},
         const Configuration* adapters = nullptr, std::span<const std::string> drawn = {});

  /// As tuning.freeze, train.checkpoint_activations and tuning.frozen_dropout say. Throws Error for patterns that cover
  /// nothing.
  void configure(std::span<const std::string> freeze, std::int64_t layers_between_checkpoints,
                 bool frozen_dropout = false);

  /// Forward, loss and backward of one micro-batch; `cached`: the frozen part's output is known
  /// (runtime/frozen/frozen_cache.h).
  PassDemand run(const Batch& batch, bool cached = false);
  /// The frozen part alone, as it is computed for a cache: all of it counts as forward.
  PassDemand run_frozen(const Batch& batch);
  /// The losses of all tokens, as they are computed of a model that is to be compared with
  /// (runtime/evaluation/reference_probabilities.h): all of it counts as forward.
  PassDemand run_reference(const Batch& batch);

  [[nodiscard]] Model& model() { return *model_; }
  [[nodiscard]] const Model& model() const { return *model_; }
  /// Nothing where there are no adapters.
  [[nodiscard]] const std::optional<Lora>& lora() const { return lora_; }
  /// Elements of the trainable parameters as they lie in the arena, in whole chunks.
  [[nodiscard]] std::int64_t arena_elements() const;
  [[nodiscard]] std::int64_t trainable() const;
  [[nodiscard]] std::int64_t parameters() const;
  /// Of those that are held in this type.
  [[nodiscard]] std::int64_t held_in(DType type) const;
  /// Of parameters that are not trained, in the types that they are held in.
  [[nodiscard]] std::int64_t frozen_bytes() const;
  /// Of all parameters as they are held before any training, and of their copies in the type of the activations.
  [[nodiscard]] std::int64_t untrained_bytes() const;

 private:
  /// Parameters, and copies in the type of the activations.
  void make_values();
  void see(const KernelId& kernel, const KernelWork& work);

  DType activations_;
  IdleDevice device_;
  std::unique_ptr<Model> model_;
  std::optional<Lora> lora_;
  std::vector<DType> held_;
  bool frozen_dropout_ = false;
  PassDemand pass_;
};

}  // namespace temper
