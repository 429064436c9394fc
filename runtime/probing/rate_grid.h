// Which learning rates a probe tries, for how many steps, and the run that it tries them in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/config.h"

namespace temper {

/// What was asked of a probe; the rest has defaults that depend on what is trained.
struct ProbeRequest {
  std::string rates = {};                  ///< "1e-5,3e-5,1e-4", or a range "1e-5..1e-2"; empty: by default
  std::optional<std::int64_t> count = {};  ///< of the rates of a range, both ends included
  std::optional<std::int64_t> steps = {};  ///< of each rate
};

/// Rates of a probe, rising. Those of a range are a constant factor apart and have two significant digits, so that they
/// can be typed. By default seven: for AdamW from 1e-6 to 1e-3 where a model is trained, and from 1e-5 to 1e-2 where
/// adapters, a head alone, or weights that were just drawn are; for other update rules moved as their rates are. Throws
/// a usage Error where the request is no list of at least two rates.
std::vector<double> rates_to_probe(const ProbeRequest& request, const Configuration& configuration);

/// Steps of each rate. By default 20, and 40 for adapters, which start as if they were not there.
std::int64_t steps_to_probe(const ProbeRequest& request, const Configuration& configuration);

/// The run in which rates are tried: the first phase of the configured one, for so many steps at a constant rate.
Configuration probe_configuration(const Configuration& configuration, std::int64_t steps);

/// The rate that the first phase of a run has.
double configured_rate(const Configuration& configuration);

}  // namespace temper
