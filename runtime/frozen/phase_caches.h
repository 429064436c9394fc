// The caches of a phase (runtime/frozen/frozen_cache.h): whether the frozen part's output is worth keeping, where there
// is room for it, and when it is computed.
//
// Note: a cached and a computed hidden row may differ in their last bit, so whether a cache is used must not depend on
// where a run was resumed. It depends on the phase as planned, not on what is left of it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "data/example_source.h"
#include "model/model.h"
#include "runtime/config/config.h"
#include "runtime/frozen/frozen_cache.h"
#include "runtime/steps/phases.h"
#include "tensor/device.h"

namespace temper {

struct CacheSettings {
  DType activations = DType::f32;
  /// tuning.frozen_cache, where the frozen part gives the same in each epoch: no dropout there, and no masks
  bool wanted = true;
  std::int64_t memory_mib = 0;  ///< of a node, for all caches of the phase
  std::string folder;           ///< of what does not fit there; empty: that of temporary files
  bool keep = false;            ///< in a file, for later runs
  std::function<void(const std::string&)> say;
  std::function<bool()> stop_requested;
};

CacheSettings cache_settings(const Configuration& configuration);

/// A phase from its first step to its last, as planned.
struct PhaseLength {
  std::int64_t steps = 0;
  std::int64_t steps_per_epoch = 1;
  std::int64_t evaluations = 0;
  /// Of the rows that a cache would hold, those that an epoch takes: a mixture may take few of one file.
  double epoch_share = 1.0;
  bool rows_change = false;  ///< training rows are others in each epoch, so there is nothing to keep of them
};

/// Such a share; 1 where an epoch takes all rows, or more.
double epoch_share_of(const ExampleSource& rows);

/// `evaluation_steps`: between two evaluations; 0 where there are none.
PhaseLength length_of(const PhasePlan& phase, std::int64_t steps_per_epoch, std::int64_t total_steps,
                      std::int64_t evaluation_steps);

class PhaseCaches {
 public:
  enum class Rows : std::uint8_t { training, validation };

  /// What is frozen must have been settled, and must stay so as long as this lives.
  PhaseCaches(Model& model, Device& device, Communicator& communicator, CacheSettings settings, PhaseLength length);

  /// Whether a phase of this length gains from caching the frozen part's output for these rows.
  [[nodiscard]] static bool worthwhile(const CacheSettings& settings, const Model& model, const PhaseLength& length,
                                       Rows rows);
  [[nodiscard]] bool worthwhile(Rows rows) const { return worthwhile(settings_, model_, length_, rows); }
  /// Collective. The first call for these rows fills their cache, if the phase is long enough, if batches hold the rows
  /// as they are, and if there is room.
  /// False if a signal asked any rank to stop.
  bool prepare(Rows rows, const ExampleSource& data);
  /// Null where there is none: the frozen part is computed with each batch.
  [[nodiscard]] const FrozenCache* of(Rows rows) const { return caches_[static_cast<std::size_t>(rows)].get(); }
  /// That went into filling the cache of the training rows.
  [[nodiscard]] double training_seconds() const { return training_seconds_; }

 private:
  /// A place for the cache's rows; false where there is none.
  bool find_room(FrozenCache& cache, const ExampleSource& data);

  Model& model_;
  Device& device_;
  Communicator& communicator_;
  CacheSettings settings_;
  PhaseLength length_;
  std::int64_t memory_left_;
  std::array<bool, 2> tried_{};
  std::array<std::unique_ptr<FrozenCache>, 2> caches_;
  double training_seconds_ = 0.0;
};

}  // namespace temper
