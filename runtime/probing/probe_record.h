// What a probe leaves in the run's folder: rate-probe.json and rate-probe.svg. A run that starts there later sets
// neither aside, and mentions the advice.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/config/config.h"
#include "runtime/probing/rate_advice.h"

namespace temper {

struct ProbeFiles {
  std::filesystem::path record;  ///< rate-probe.json
  std::filesystem::path curve;   ///< rate-probe.svg
};

/// Those of a run's folder.
ProbeFiles probe_files(const std::filesystem::path& folder);

/// The curve and the advice as JSON, one object. `configuration`: of the run that asked for them. Nothing in it depends
/// on ranks or time.
std::string probe_record(const ProbedCurve& curve, const RateAdvice& advice, const Configuration& configuration);

/// Writes both files, each complete or not at all. Throws Error.
void write_probe(const std::filesystem::path& folder, const ProbedCurve& curve, const RateAdvice& advice,
                 const Configuration& configuration);

/// A sentence for a run that begins in this folder: the rate that a probe recommended there, and whether that holds for
/// this configuration. Empty where there is no advice, or none that can be read.
std::string probe_note(const std::filesystem::path& folder, const Configuration& configuration);

}  // namespace temper
