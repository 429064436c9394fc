// How the parameters of a stage are held, and what is done about it around the passes that read them: those that are
// sharded are gathered one stage ahead of the pass, and freed after it (fully sharded data parallelism; Zhao et al.:
// "PyTorch FSDP: experiences on scaling fully sharded data parallel", 2023, section 4.3).
//
// Note: a stage reads the parameters that count for it, and may read those of a lower stage as well (a tied embedding,
// shared blocks; Parameter::stage). What other stages read must be held all the time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tensor/stages.h"

namespace temper {

class Placement {
 public:
  Placement() = default;
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;
  virtual ~Placement() = default;

  /// "replicated", "mapped".
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Starts the all-gather of a stage's parameters, which will be read soon; does not wait.
  virtual void gather(std::int64_t stage) = 0;
  /// Once this returns, work that reads them may be given to the device. The gather has been started.
  virtual void acquire(std::int64_t stage) = 0;
  /// Frees them after the pass: work that is given from now on does not read them, until they are acquired again.
  virtual void release(std::int64_t stage) = 0;
};

/// Whole in memory of the device from the first step to the last: in the arena what is trained, of which ranks that
/// share memory hold one; in tensors of its own what is not.
class ReplicatedPlacement final : public Placement {
 public:
  [[nodiscard]] std::string_view name() const override { return "replicated"; }
  void gather(std::int64_t /*stage*/) override {}
  void acquire(std::int64_t /*stage*/) override {}
  void release(std::int64_t /*stage*/) override {}
};

/// Frozen weights that lie in a mapped model file as the model reads them: a node holds their pages once, and the
/// system brings them when they are read.
class MappedPlacement final : public Placement {
 public:
  [[nodiscard]] std::string_view name() const override { return "mapped"; }
  void gather(std::int64_t /*stage*/) override {}
  void acquire(std::int64_t /*stage*/) override {}
  void release(std::int64_t /*stage*/) override {}
};

/// Has what a pass reads of each stage gathered while the stage before it runs, whichever way the pass goes. Of the
/// topmost stage a backward pass follows where it ended in a loss; where it gave outputs, an evaluation is over.
class GatherAhead final : public StageObserver {
 public:
  /// placements[stage]: what holds parameters of it; borrowed. Stages from `recorded` on have a backward pass.
  GatherAhead(std::vector<std::vector<Placement*>> placements, std::int64_t recorded);

  void before(std::int64_t stage, StagePass pass) override;
  void after(std::int64_t stage, StagePass pass, const Variable& output) override;

 private:
  enum class State : std::uint8_t { away, coming, here };

  void gather(std::int64_t stage);
  void acquire(std::int64_t stage);
  void release(std::int64_t stage);
  [[nodiscard]] std::int64_t stages() const { return static_cast<std::int64_t>(placements_.size()); }

  std::vector<std::vector<Placement*>> placements_;
  std::int64_t recorded_;
  std::vector<State> states_;
};

}  // namespace temper
