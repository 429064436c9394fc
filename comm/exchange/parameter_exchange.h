// How updated parameters reach all ranks. Each rank updates the slices that it owns (comm/exchange/bucket_plan.h), in
// an arena of which there is one copy per node where ranks share memory, and else one per rank.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "comm/communicator.h"
#include "comm/exchange/bucket_plan.h"
#include "comm/exchange/rank_links.h"
#include "comm/exchange/sparse_table.h"
#include "tensor/arena.h"
#include "tensor/bfloat16.h"
#include "tensor/device.h"

namespace temper {

/// Of the sparse table: those that training reads, or all. Other parameters are shared whole.
enum class SharedRows : std::uint8_t { trained, all };

class ParameterExchange {
 public:
  ParameterExchange() = default;
  ParameterExchange(const ParameterExchange&) = delete;
  ParameterExchange& operator=(const ParameterExchange&) = delete;
  virtual ~ParameterExchange() = default;

  /// In the arena's layout, in memory of the device; zero at first.
  virtual float* parameters() = 0;
  /// The same rounded to bf16, where that was asked for and the host's memory is the device's; else null. Whoever
  /// updates a slice rounds it as well; share() makes both visible.
  virtual BFloat16* compute_copy() = 0;
  /// Collective. Makes this rank's updated slices visible everywhere. Nobody reads parameters meanwhile.
  virtual void share(SharedRows rows) = 0;
  /// Waits, with the communicator's time limit, until the shared parameters have arrived. Work that reads parameters is
  /// ordered after it anyway; but a device's queue is finite, and filling it behind a lost rank would hang without a
  /// limit.
  virtual void wait() = 0;
};

struct ParameterRequest {
  ArenaLayout layout;
  BucketPlan plan;
  RankLinks links = {};
  bool compute_copy = false;                        ///< parameters() rounded to bf16, too
  std::optional<SparseTable> table = std::nullopt;  ///< where the host's memory is the device's
};

/// Collective.
std::unique_ptr<ParameterExchange> make_parameter_exchange(Communicator& communicator, Device& device,
                                                           const ParameterRequest& request);

}  // namespace temper
