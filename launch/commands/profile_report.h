// How a profile of kernels is printed: time, the rates that each kernel reached, and its share of the roof.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>

#include "runtime/planning/machine_profile.h"
#include "tensor/cost/timed_kernels.h"

namespace temper {

/// `rates`: of the machine, if it was measured.
nlohmann::json profile_json(std::span<const KernelTime> times, const std::optional<RankRates>& rates);
/// A table on standard output.
void print_profile(std::span<const KernelTime> times, const std::optional<RankRates>& rates);

}  // namespace temper
