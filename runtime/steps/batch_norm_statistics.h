// The running statistics of batch norms in a run that trains with those of its own rows: each pass of a step measures
// its rows, and what was measured moves the running statistics once per step, by the mean over all passes of all ranks.
// Which rank ran a pass changes no bit of it: sums have no order (FixedPointSums).
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.h"
#include "model/layers/convolution.h"
#include "model/model.h"
#include "tensor/device.h"
#include "tensor/tape.h"

namespace temper {

class BatchNormStatistics final : public BatchNormObserver {
 public:
  /// The statistics of `model`, which must outlive this, get tensors of their own when they first move.
  BatchNormStatistics(Model& model, Device& device);

  void begin_step() { passes_.clear(); }
  /// What is measured from now on is of a pass of its own.
  void begin_pass() { passes_.emplace_back(norms_.size()); }
  void measured(const Variable& running_mean, const Tensor& mean, const Tensor& variance, std::int64_t rows) override;
  /// Collective, at the end of a step. Norms that no pass of any rank has measured keep what they have.
  void update(Communicator& communicator);

 private:
  struct OfPass {
    Tensor mean;  ///< undefined: not measured
    Tensor variance;
    std::int64_t rows = 0;
  };

  Device& device_;
  std::vector<NormStatistics> norms_;
  std::vector<std::vector<OfPass>> passes_;  ///< of this rank, by norm
};

/// The names of all statistics of a model, whose values training moves.
std::vector<std::string> names_of_statistics(const Model& model);

/// How the batch norms of a model are trained, one sentence; empty where it has none.
std::string batch_norm_note(Model& model, bool is_live);

}  // namespace temper
