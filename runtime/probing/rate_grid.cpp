#include "runtime/probing/rate_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "base/counted.h"
#include "base/error.h"
#include "runtime/inputs/run_adapter.h"

namespace temper {
namespace {

constexpr std::int64_t kRatesByDefault = 7;
constexpr std::size_t kMostRates = 64;

double parse_rate(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double rate = 0.0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (status != std::errc() || end != text.data() + text.size() || !(rate > 0.0) || !std::isfinite(rate))
    throw usage_error(
        "--probe-rates: '{}' is no learning rate above 0; expected a list such as 1e-5,3e-5,1e-4 or a "
        "range such as 1e-5..1e-2",
        text);
  return rate;
}

/// Two significant digits: what it reads when it is typed.
double two_digits(double rate) { return parse_rate(fmt::format("{:.1e}", rate)); }

std::vector<double> geometric(double low, double high, std::int64_t count) {
  std::vector<double> rates{low};
  for (std::int64_t i = 1; i + 1 < count; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count - 1);
    rates.push_back(two_digits(std::exp(std::log(low) + share * (std::log(high) - std::log(low)))));
  }
  rates.push_back(high);
  return rates;
}

/// How the rates of an update rule compare to AdamW's.
double scale_of_rule(const UpdateSettings& update) {
  if (update.rule == "sgd") return 100.0;
  if (update.rule == "lion") return 0.1;
  // Its rates are then relative to each parameter's own size.
  if (update.rule == "adafactor" && update.scale_parameter) return 100.0;
  return 1.0;
}

const std::vector<std::string>& first_freeze(const Configuration& configuration) {
  return configuration.tuning.phases.empty() ? configuration.tuning.freeze : configuration.tuning.phases.front().freeze;
}

bool trains_new_weights(const Configuration& configuration) {
  const std::vector<std::string>& freeze = first_freeze(configuration);
  return configuration.model.initialize || std::find(freeze.begin(), freeze.end(), "*") != freeze.end();
}

/// Whether the first phase trains adapters and not the model that they were merged into.
bool probes_adapters(const Configuration& configuration) {
  const std::vector<PhaseConfig>& phases = configuration.tuning.phases;
  return trains_adapters(configuration) && (phases.empty() || !phases.front().merge_adapters);
}

std::vector<double> default_rates(std::int64_t count, const Configuration& configuration) {
  const double scale = scale_of_rule(configuration.train.update) *
                       (probes_adapters(configuration) || trains_new_weights(configuration) ? 10.0 : 1.0);
  return geometric(two_digits(1e-6 * scale), two_digits(1e-3 * scale), count);
}

std::vector<double> listed_rates(std::string_view text) {
  std::vector<double> rates;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    rates.push_back(parse_rate(text.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  std::sort(rates.begin(), rates.end());
  if (std::adjacent_find(rates.begin(), rates.end()) != rates.end())
    throw usage_error("--probe-rates: '{}' names a rate twice; each is tried once", text);
  return rates;
}

}  // namespace

std::vector<double> rates_to_probe(const ProbeRequest& request, const Configuration& configuration) {
  const std::int64_t count = request.count.value_or(kRatesByDefault);
  const std::size_t dots = request.rates.find("..");
  std::vector<double> rates;
  if (request.rates.empty()) {
    rates = default_rates(count, configuration);
  } else if (dots == std::string::npos) {
    if (request.count)
      throw usage_error(
          "--probe-count is for a range of rates, and --probe-rates lists them ({}); leave one of them out, or write a "
          "range such as 1e-5..1e-2",
          request.rates);
    rates = listed_rates(request.rates);
  } else {
    const double low = parse_rate(std::string_view(request.rates).substr(0, dots));
    const double high = parse_rate(std::string_view(request.rates).substr(dots + 2));
    if (low >= high)
      throw usage_error("--probe-rates: the range {} has to rise; expected LOWEST..HIGHEST such as 1e-5..1e-2",
                        request.rates);
    rates = geometric(low, high, count);
    if (!std::is_sorted(rates.begin(), rates.end()) || std::adjacent_find(rates.begin(), rates.end()) != rates.end())
      throw usage_error(
          "--probe-count: {} between {} and {} are too close to each other for two digits; ask for fewer, or list them "
          "in --probe-rates",
          counted(count, "rate"), low, high);
  }
  if (rates.size() < 2)
    throw usage_error("--probe-rates: '{}' is one rate, and there is nothing to compare it with; give at least two",
                      request.rates);
  if (rates.size() > kMostRates)
    throw usage_error("--probe-rates lists {}; at most {} are tried", counted(rates.size(), "rate"), kMostRates);
  return rates;
}

std::int64_t steps_to_probe(const ProbeRequest& request, const Configuration& configuration) {
  return request.steps.value_or(probes_adapters(configuration) ? 40 : 20);
}

Configuration probe_configuration(const Configuration& configuration, std::int64_t steps) {
  Configuration probe = configuration;
  probe.train.max_steps = steps;
  probe.train.schedule = "constant";
  probe.train.warmup_ratio = 0.0;
  probe.train.warmup_steps = 0;
  probe.train.early_stopping = 0;
  probe.checkpoint.resume = false;
  if (probe.tuning.phases.empty()) return probe;
  PhaseConfig first;
  first.freeze = configuration.tuning.phases.front().freeze;
  first.layer_decay = configuration.tuning.phases.front().layer_decay;
  first.merge_adapters = configuration.tuning.phases.front().merge_adapters;
  probe.tuning.phases = {first};
  return probe;
}

double configured_rate(const Configuration& configuration) {
  if (configuration.tuning.phases.empty()) return configuration.train.learning_rate;
  return configuration.tuning.phases.front().learning_rate.value_or(configuration.train.learning_rate);
}

}  // namespace temper
