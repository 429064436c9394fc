#include "model/layers/convolution.h"

#include <string_view>

#include "tensor/ops/activation.h"

namespace temper {

Convolution::Convolution(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in,
                         const SquareWindow& window, Bias bias)
    : window_(window),
      weight_(place.within(name).add_kernel("weight", out, in, {.height = window.side, .width = window.side})) {
  if (bias == Bias::zeros) bias_ = place.within(name).add("bias", {out}, Initialization::zeros());
}

namespace {

constexpr std::string_view kRunningMean = "running_mean";
constexpr std::string_view kRunningVariance = "running_var";
constexpr std::string_view kCount = "num_batches_tracked";

}  // namespace

BatchNorm::BatchNorm(const ParameterPlace& place, const std::string& name, std::int64_t channels) {
  const ParameterPlace inner = place.within(name);
  weight_ = inner.add("weight", {channels}, Initialization::ones());
  bias_ = inner.add("bias", {channels}, Initialization::zeros());
  running_.mean = inner.add_statistic(std::string(kRunningMean), channels, Initialization::zeros());
  running_.variance = inner.add_statistic(std::string(kRunningVariance), channels, Initialization::ones());
  (void)inner.add_count(std::string(kCount));
}

Variable BatchNorm::operator()(Tape& tape, const Variable& x, Activation activation, const Variable& residual) const {
  if (activation == Activation::none || activation == Activation::relu)
    return batch_norm(tape, x, running_, weight_, bias_, residual, activation);
  return activated(tape, batch_norm(tape, x, running_, weight_, bias_, residual), activation);
}

std::vector<NormStatistics> norm_statistics_of(const ParameterList& parameters) {
  std::vector<NormStatistics> norms;
  for (const Parameter& parameter : parameters.all()) {
    if (parameter.role != ParameterRole::statistic || !parameter.name.ends_with(kRunningMean)) continue;
    const std::string module = parameter.name.substr(0, parameter.name.size() - kRunningMean.size());
    norms.push_back({&parameter, parameters.find(module + std::string(kRunningVariance)),
                     parameters.find(module + std::string(kCount))});
  }
  return norms;
}

}  // namespace temper
