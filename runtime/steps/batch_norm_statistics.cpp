#include "runtime/steps/batch_norm_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "comm/fixed_point_sums.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

/// How far a step moves the running statistics towards its own (torch.nn.BatchNorm2d: momentum).
constexpr double kMomentum = 0.1;

/// Groups of sums: the means of the first norm, its variances, those of the next.
std::vector<std::size_t> starts_of_groups(std::span<const NormStatistics> norms) {
  std::vector<std::size_t> starts{0};
  for (const NormStatistics& norm : norms)
    for (int i = 0; i < 2; ++i) starts.push_back(starts.back() + static_cast<std::size_t>(norm.mean->size()));
  return starts;
}

}  // namespace

BatchNormStatistics::BatchNormStatistics(Model& model, Device& device)
    : device_(device), norms_(norm_statistics_of(model.parameters())) {}

void BatchNormStatistics::measured(const Variable& running_mean, const Tensor& mean, const Tensor& variance,
                                   std::int64_t rows) {
  const auto norm = std::find_if(norms_.begin(), norms_.end(),
                                 [&](const NormStatistics& of) { return of.mean->variable == running_mean; });
  if (norm == norms_.end() || passes_.empty())
    throw Error("a batch norm measured its rows outside of a pass of its model; please report this");
  passes_.back()[static_cast<std::size_t>(norm - norms_.begin())] = {mean, variance, rows};
}

void BatchNormStatistics::update(Communicator& communicator) {
  FixedPointSums sums(starts_of_groups(norms_));
  const std::vector<std::size_t> starts = starts_of_groups(norms_);
  std::vector<std::int64_t> counts(norms_.size());
  std::vector<std::vector<float>> measured;  // of each norm and pass: means, then variances without bias
  std::vector<std::size_t> norm_of;
  for (const std::vector<OfPass>& pass : passes_) {
    for (std::size_t n = 0; n < norms_.size(); ++n) {
      if (!pass[n].mean.defined()) continue;
      ++counts[n];
      norm_of.push_back(n);
      const HostCopy mean(device_, pass[n].mean);
      const HostCopy variance(device_, pass[n].variance);
      std::vector<float>& values = measured.emplace_back(mean.values().begin(), mean.values().end());
      const double unbiased =
          pass[n].rows > 1 ? static_cast<double>(pass[n].rows) / static_cast<double>(pass[n].rows - 1) : 1.0;
      for (const float value : variance.values())
        values.push_back(static_cast<float>(static_cast<double>(value) * unbiased));
    }
  }
  passes_.clear();
  const auto for_each_number = [&](const auto& visit) {
    for (std::size_t i = 0; i < measured.size(); ++i) {
      const std::size_t channels = measured[i].size() / 2;
      for (std::size_t c = 0; c < measured[i].size(); ++c)
        visit(2 * norm_of[i] + c / channels, c % channels, measured[i][c]);
    }
  };
  for_each_number(
      [&](std::size_t group, std::size_t /*place*/, float value) { sums.note(group, static_cast<double>(value)); });
  sums.agree(communicator);
  for_each_number(
      [&](std::size_t group, std::size_t place, float value) { sums.add(group, place, static_cast<double>(value)); });
  const std::vector<double> totals = sums.share(communicator);
  communicator.all_reduce(std::span(counts), Reduction::sum);

  const auto move = [&](const Parameter& statistic, std::size_t group, std::int64_t count) {
    const HostCopy before(device_, statistic.variable.value());
    std::vector<float> values(before.values().begin(), before.values().end());
    for (std::size_t c = 0; c < values.size(); ++c)
      values[c] = static_cast<float>((1.0 - kMomentum) * static_cast<double>(values[c]) +
                                     kMomentum * totals[starts[group] + c] / static_cast<double>(count));
    statistic.variable.set_value(device_.upload(std::span<const float>(values), statistic.shape));
  };
  for (std::size_t n = 0; n < norms_.size(); ++n) {
    if (counts[n] == 0) continue;
    move(*norms_[n].mean, 2 * n, counts[n]);
    move(*norms_[n].variance, 2 * n + 1, counts[n]);
    const std::vector<float> steps{HostCopy(device_, norms_[n].count->variable.value()).values().front() + 1.0F};
    norms_[n].count->variable.set_value(device_.upload(std::span<const float>(steps), norms_[n].count->shape));
  }
}

std::vector<std::string> names_of_statistics(const Model& model) {
  std::vector<std::string> names;
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.role == ParameterRole::statistic) names.push_back(parameter.name);
  return names;
}

std::string batch_norm_note(Model& model, bool is_live) {
  const std::size_t norms = norm_statistics_of(model.parameters()).size();
  if (norms == 0) return "";
  const std::string whose = counted(norms, "batch norm");
  if (is_live)
    return fmt::format(
        "{} by the mean and variance of the rows of each grain's pass, which move the running ones once per step "
        "(train.batch_norm = live)",
        whose);
  return fmt::format(
      "{} by the running mean and variance of the model, which stay as they are (train.batch_norm = frozen)", whose);
}

}  // namespace temper
