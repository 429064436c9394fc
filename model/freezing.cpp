#include "model/freezing.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/counted.h"
#include "base/error.h"
#include "base/nearest_name.h"

namespace temper {
namespace {

std::vector<std::string_view> split_at_dots(std::string_view name) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = name.find('.');
    parts.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    name.remove_prefix(dot + 1);
  }
}

/// Glob over one part of a name: * any run, ? any one character.
bool glob_matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    for (std::size_t skipped = 0; skipped <= text.size(); ++skipped)
      if (glob_matches(pattern.substr(1), text.substr(skipped))) return true;
    return false;
  }
  return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
         glob_matches(pattern.substr(1), text.substr(1));
}

std::optional<long> whole_number(std::string_view text) {
  long value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Numbers from first to last: one part of a pattern, "3" or "2-5".
struct NumberRange {
  long first;
  long last;
};

std::optional<NumberRange> number_range(std::string_view part) {
  if (const auto number = whole_number(part)) return NumberRange{*number, *number};
  const std::size_t dash = part.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = whole_number(part.substr(0, dash));
  const auto last = whole_number(part.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  return NumberRange{*first, *last};
}

/// One part of a pattern against one part of a name; "2-5" is a range of numbers.
bool part_matches(std::string_view pattern, std::string_view part) {
  if (const auto range = number_range(pattern)) {
    const auto number = whole_number(part);
    return number && range->first <= *number && *number <= range->last;
  }
  return glob_matches(pattern, part);
}

std::string_view without_prefix(std::string_view name, std::string_view prefix) {
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  return name;
}

bool covers_name(std::string_view pattern, std::string_view name) {
  const auto wanted = split_at_dots(pattern);
  const auto parts = split_at_dots(name);
  if (wanted.size() > parts.size()) return false;
  return std::equal(wanted.begin(), wanted.end(), parts.begin(), part_matches);
}

/// The numbers that names have where a pattern has its part `place`, among those that fit it so far.
struct NumberedModules {
  std::string module;  ///< what stands before: "encoder.layer"
  std::set<long> numbers;
};

NumberedModules numbered_modules(std::span<const std::string_view> pattern, std::size_t place, const Model& model) {
  NumberedModules found;
  for (const Parameter& parameter : model.parameters().all())
    for (std::string_view name :
         {std::string_view(parameter.name), without_prefix(parameter.name, model.names().prefix)}) {
      const auto parts = split_at_dots(name);
      if (parts.size() <= place || !std::equal(pattern.begin(), pattern.begin() + static_cast<std::ptrdiff_t>(place),
                                               parts.begin(), part_matches))
        continue;
      const auto number = whole_number(parts[place]);
      if (!number) continue;
      found.numbers.insert(*number);
      if (found.module.empty() && place > 0)
        found.module = std::string(name.data(), parts[place - 1].data() + parts[place - 1].size());
    }
  return found;
}

/// A pattern with numbers that the model does not have would cover less than it says.
void refuse_absent_numbers(const std::string& key, const std::string& pattern, const Model& model) {
  const auto wanted = split_at_dots(pattern);
  for (std::size_t place = 0; place < wanted.size(); ++place) {
    const auto range = number_range(wanted[place]);
    if (!range) continue;
    const auto [module, numbers] = numbered_modules(wanted, place, model);
    if (numbers.empty()) continue;
    const long first = *numbers.begin();
    const long last = *numbers.rbegin();
    if (range->first > range->last)
      throw usage_error("{}: the range {} of the pattern '{}' runs backwards; write the smaller number first", key,
                        wanted[place], pattern);
    if (range->first < first || range->last > last)
      throw usage_error("{}: the pattern '{}' goes beyond this model, which has {}: {}.{} to {}.{}", key, pattern,
                        counted(numbers.size(), "layer"), module, first, module, last);
  }
}

/// The pattern with each part that fits no name, so far, replaced by the nearest that does; empty where none is near.
std::string nearest_pattern(const std::string& pattern, const Model& model) {
  std::vector<std::string> corrected;
  for (const std::string_view wanted : split_at_dots(pattern)) {
    const std::size_t place = corrected.size();
    std::set<std::string> here;
    for (const Parameter& parameter : model.parameters().all())
      for (std::string_view name :
           {without_prefix(parameter.name, model.names().prefix), std::string_view(parameter.name)}) {
        const auto parts = split_at_dots(name);
        if (parts.size() > place && std::equal(corrected.begin(), corrected.end(), parts.begin(), part_matches))
          here.emplace(parts[place]);
      }
    const bool fits =
        std::any_of(here.begin(), here.end(), [&](const std::string& part) { return part_matches(wanted, part); });
    const std::vector<std::string> known(here.begin(), here.end());
    corrected.push_back(fits ? std::string(wanted) : nearest_name(wanted, known));
    if (corrected.back().empty()) return "";
  }
  std::string text;
  for (const std::string& part : corrected) text += (text.empty() ? "" : ".") + part;
  return text;
}

/// The shortest beginning of a name, in whole parts, that no parameter of another stage has.
std::string module_of_stage(std::string_view name, std::int64_t stage, const Model& model) {
  std::string module;
  for (const std::string_view part : split_at_dots(name)) {
    module += (module.empty() ? "" : ".") + std::string(part);
    const auto& all = model.parameters().all();
    if (std::none_of(all.begin(), all.end(), [&](const Parameter& other) {
          return other.stage != stage && covers_name(module, without_prefix(other.name, model.names().prefix));
        }))
      break;
  }
  return module;
}

[[noreturn]] void refuse_pattern(const std::string& key, const std::string& pattern, const Model& model) {
  if (const std::string nearest = nearest_pattern(pattern, model); !nearest.empty())
    throw usage_error("{}: the pattern '{}' covers no parameter of this model; did you mean '{}'?", key, pattern,
                      nearest);
  std::set<std::string> modules;
  for (const Parameter& parameter : model.parameters().all()) {
    const auto parts = split_at_dots(without_prefix(parameter.name, model.names().prefix));
    std::string module;
    for (std::size_t i = 0; i + 1 < parts.size() && i < 3; ++i) module += (i == 0 ? "" : ".") + std::string(parts[i]);
    modules.insert(module);
    modules.emplace(parts.front());
  }
  std::string listed;
  for (const std::string& module : modules) listed += (listed.empty() ? "" : ", ") + module;
  throw usage_error("{}: the pattern '{}' covers no parameter of this model; its modules are {}", key, pattern, listed);
}

}  // namespace

bool pattern_covers(const std::string& pattern, const Parameter& parameter, const std::string& prefix) {
  if (pattern == "*") return parameter.role == ParameterRole::weight;
  if (covers_name(pattern, parameter.name)) return true;
  return parameter.name.starts_with(prefix) && covers_name(pattern, parameter.name.substr(prefix.size()));
}

void apply_freezing(Model& model, std::span<const std::string> patterns, const std::string& key) {
  const std::string& prefix = model.names().prefix;
  auto& parameters = model.parameters().all();
  for (const Parameter& parameter : parameters)
    parameter.variable.set_requires_gradient(parameter.role != ParameterRole::statistic && !parameter.is_base);
  for (const std::string& pattern : patterns) {
    refuse_absent_numbers(key, pattern, model);
    bool covered = false;
    for (const Parameter& parameter : parameters) {
      if (!pattern_covers(pattern, parameter, prefix)) continue;
      parameter.variable.set_requires_gradient(false);
      covered = true;
    }
    if (!covered) refuse_pattern(key, pattern, model);
  }
  if (std::none_of(parameters.begin(), parameters.end(), [](const Parameter& p) { return p.trainable(); }))
    throw usage_error("{} covers every parameter: nothing is left to train", key);
}

std::vector<std::string> lower_half_patterns(const Model& model, std::string_view blocks) {
  const auto& parameters = model.parameters().all();
  const std::int64_t half = (model.stages() - 1) / 2;
  std::vector<std::string> patterns;
  std::map<long, std::int64_t> lowest_stages;  // of each number
  for (const Parameter& parameter : parameters) {
    const std::string_view name = without_prefix(parameter.name, model.names().prefix);
    if (parameter.stage > 0 && name.starts_with(blocks)) {
      const auto number = whole_number(split_at_dots(name.substr(blocks.size())).front());
      if (number) lowest_stages.emplace(*number, parameter.stage);
    } else if (parameter.stage <= half) {
      // The input layer, or what stands beside numbered blocks: a table that all of them read.
      std::string module = module_of_stage(name, parameter.stage, model);
      if (patterns.empty() || patterns.back() != module) patterns.push_back(std::move(module));
    }
  }
  // What is frozen ends below the lowest stage of the next number.
  std::optional<long> last;
  for (auto next = lowest_stages.begin(); next != lowest_stages.end(); ++next)
    if (next != lowest_stages.begin() && next->second <= half + 1) last = std::prev(next)->first;
  if (!last) return {};
  patterns.push_back(fmt::format("{}0-{}", blocks, *last));
  return patterns;
}

std::vector<double> learning_rate_factors(const Model& model, double layer_decay,
                                          std::span<const std::pair<std::string, double>> rates) {
  const auto& parameters = model.parameters().all();
  std::int64_t top = 0;
  for (const Parameter& parameter : parameters) top = std::max(top, parameter.stage);
  std::vector<double> factors;
  for (const Parameter& parameter : parameters)
    factors.push_back(std::pow(layer_decay, static_cast<double>(top - parameter.stage)));
  for (const auto& [pattern, rate] : rates) {
    refuse_absent_numbers("tuning.rates", pattern, model);
    bool covered = false;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!pattern_covers(pattern, parameters[i], model.names().prefix)) continue;
      const double decayed = std::pow(layer_decay, static_cast<double>(top - parameters[i].stage));
      factors[i] = decayed * rate;
      covered = true;
    }
    if (!covered) refuse_pattern("tuning.rates", pattern, model);
  }
  return factors;
}

}  // namespace temper
