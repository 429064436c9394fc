// What temper train --probe-rate prints.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/rate_probe.h"

namespace temper {

/// The table of rates against losses, the advice and how to follow it, and where curve and record are. `file`: the
/// configuration, as it was given.
std::string rate_probe_text(const ProbeReport& report, const Configuration& configuration, const std::string& file);

/// The record (runtime/probing/probe_record.h) as one line.
std::string rate_probe_json(const ProbeReport& report, const Configuration& configuration);

}  // namespace temper
