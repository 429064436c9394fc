#include "tensor/ops/channel_norm.h"

#include "base/error.h"
#include "tensor/kernels.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

/// The statistics that a pass norms by.
struct MeasuredStatistics {
  Tensor mean = {};
  Tensor variance = {};
  float epsilon = 0.0F;
  bool of_rows = false;

  [[nodiscard]] ChannelStatisticsOf pointers() const { return {mean.data<float>(), variance.data<float>(), epsilon}; }
};

const float* floats_or_null(const Variable& variable) {
  return variable.defined() ? variable.value().data<float>() : nullptr;
}

/// What stands behind the statistics.
struct NormParts {
  Variable weight;
  Variable bias;
  Variable residual;
  Activation activation = Activation::none;
};

Tensor normed_channels(const Tape& tape, const Tensor& x, const MeasuredStatistics& statistics,
                       const NormParts& parts) {
  Tensor y = tape.empty(x.shape(), x.type());
  tape.kernels().run(
      calls::ChannelNormForward{.x = x.as_rows(),
                                .statistics = statistics.pointers(),
                                .weight = floats_or_null(parts.weight),
                                .bias = floats_or_null(parts.bias),
                                .residual = parts.residual.defined() ? parts.residual.value().as_rows() : Rows(),
                                .activation = parts.activation,
                                .y = y.as_rows()});
  return y;
}

Variable record_norm(Tape& tape, const Variable& x, const MeasuredStatistics& statistics, const NormParts& parts) {
  Variable out(normed_channels(tape, x.value(), statistics, parts),
               tape.records({&x, &parts.weight, &parts.bias, &parts.residual}));
  if (!out.requires_gradient()) return out;
  // Less to keep than both, and a pass over memory to have it again.
  tape.computes_again(
      out, [&tape, x = x.value(), statistics, parts] { return normed_channels(tape, x, statistics, parts); });
  const bool clips = parts.activation != Activation::none;
  tape.record({&x, &parts.weight, &parts.bias, &parts.residual}, [&tape, x, statistics, weight = parts.weight,
                                                                  bias = parts.bias,
                                                                  residual = parts.residual.without_value(),
                                                                  activation = parts.activation,
                                                                  out = clips ? out : out.without_value()] {
    const Tensor dy = out.gradient();
    const GradientTarget d_weight = wanted_gradient(tape, weight);
    const GradientTarget d_bias = wanted_gradient(tape, bias);
    // Nobody else reads dy, so what has no use for the gradient of the sum gives its memory away.
    const bool gives_dy = x.requires_gradient() && !residual.requires_gradient();
    const GradientTarget dx = gives_dy ? GradientTarget{dy} : wanted_gradient(tape, x);
    tape.kernels().run(calls::ChannelNormBackward{.dy = dy.as_rows(),
                                                  .x = x.value().as_rows(),
                                                  .y = activation != Activation::none ? out.value().as_rows() : Rows(),
                                                  .statistics = statistics.pointers(),
                                                  .statistics_of_rows = statistics.of_rows,
                                                  .weight = floats_or_null(weight),
                                                  .activation = activation,
                                                  .g = dy.as_rows(),
                                                  .dx = dx.tensor.as_rows(),
                                                  .accumulate = dx.accumulate,
                                                  .d_weight = d_weight.parameter(),
                                                  .accumulate_weight = d_weight.accumulate,
                                                  .d_bias = d_bias.parameter(),
                                                  .accumulate_bias = d_bias.accumulate});
    if (gives_dy) tape.give_gradient(x, dy);
    if (residual.requires_gradient()) tape.give_gradient(residual, dy);
  });
  return out;
}

}  // namespace

Variable batch_norm(Tape& tape, const Variable& x, const RunningStatistics& running, const Variable& weight,
                    const Variable& bias, const Variable& residual, Activation activation) {
  const std::int64_t columns = x.value().columns();
  if (running.mean.value().size() != columns)
    throw Error("batch_norm: the input has shape {}, expected {} columns", x.shape().text(),
                running.mean.value().size());
  MeasuredStatistics statistics{.epsilon = running.epsilon};
  BatchNormObserver* const observer = tape.batch_norm_observer();
  if (observer != nullptr && tape.is_training()) {
    statistics.mean = tape.empty({columns});
    statistics.variance = tape.empty({columns});
    statistics.of_rows = true;
    tape.kernels().run(calls::ChannelStatistics{.x = x.value().as_rows(),
                                                .mean = statistics.mean.data<float>(),
                                                .variance = statistics.variance.data<float>()});
    observer->measured(running.mean, statistics.mean, statistics.variance, x.value().rows());
  } else {
    statistics.mean = running.mean.value();
    statistics.variance = running.variance.value();
  }
  return record_norm(tape, x, statistics, {weight, bias, residual, activation});
}

}  // namespace temper
