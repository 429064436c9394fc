// Convolutions over maps of pixels, and the batch norm that stands behind them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/layers/feature_map.h"
#include "model/parameter.h"
#include "tensor/ops.h"
#include "tensor/ops/channel_norm.h"

namespace temper {

class Convolution {
 public:
  enum class Bias : std::uint8_t { none, zeros };

  /// Adds `name`.weight [out, side * side * in] and, if there is one, `name`.bias [out].
  Convolution(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in,
              const SquareWindow& window, Bias bias);

  /// x: the map of `images` images of this size -> [images * places, out].
  Variable operator()(Tape& tape, const Variable& x, std::int64_t images, ImageExtent map) const {
    return convolution(tape, x, weight_, bias_, window_.over(images, map));
  }
  [[nodiscard]] const SquareWindow& window() const { return window_; }

 private:
  SquareWindow window_;
  Variable weight_;
  Variable bias_;
};

/// Norms each channel by what it was measured to have, or, in training, by what the pass has of it
/// (Tape::observe_batch_norms).
class BatchNorm {
 public:
  /// Adds `name`.weight and .bias [channels], and the statistics `name`.running_mean, .running_var and
  /// .num_batches_tracked.
  BatchNorm(const ParameterPlace& place, const std::string& name, std::int64_t channels);

  /// activation(norm(x) + residual): the residual may be undefined.
  Variable operator()(Tape& tape, const Variable& x, Activation activation = Activation::none,
                      const Variable& residual = {}) const;

 private:
  Variable weight_;
  Variable bias_;
  RunningStatistics running_;
};

/// What a batch norm has measured, among the parameters of its model.
struct NormStatistics {
  const Parameter* mean;
  const Parameter* variance;
  const Parameter* count;  ///< of steps that measured
};

/// Those of all batch norms, in order. They stay valid as parameters are added at the end.
std::vector<NormStatistics> norm_statistics_of(const ParameterList& parameters);

}  // namespace temper
