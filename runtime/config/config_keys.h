// The single table of configuration keys: reading, checking, writing and documentation all use it.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "runtime/config/config.h"

namespace temper {

using Rates = std::vector<std::pair<std::string, double>>;

/// Where the value of a key lies; its alternative is the key's type.
using KeyTarget = std::variant<std::string*, OneOrMore*, bool*, std::int64_t*, double*, std::vector<std::string>*,
                               std::vector<double>*, Rates*, std::vector<PhaseConfig>*,
                               std::vector<EvaluationSetConfig>*, LayerInterval*>;

struct KeyRange {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool least_allowed = true;  ///< false: must be above `least`
  bool most_allowed = true;

  [[nodiscard]] bool contains(double value) const;
  /// "at least 1", "above 0 and below 1"; empty where all is allowed.
  [[nodiscard]] std::string text() const;
};

struct ConfigurationKey {
  std::string section;
  std::string name;
  std::function<KeyTarget(Configuration&)> target;
  std::string help;
  KeyRange range = {};
  std::vector<std::string> choices = {};  ///< of a string; a layer interval takes one of them or a number in range
  bool decides_weights = true;            ///< two runs that differ in it give different weights
  bool required = false;

  [[nodiscard]] std::string full_name() const { return section + "." + name; }
};

const std::vector<ConfigurationKey>& configuration_keys();

}  // namespace temper
