// The learning rate as a pure function of the optimizer step.
#pragma once

#include <cstdint>
#include <string>

namespace temper {

enum class ScheduleKind : std::uint8_t { constant, linear, cosine };

/// "constant", "linear" or "cosine"; throws a usage Error.
ScheduleKind parse_schedule(const std::string& name);

/// The factor on the learning rate in step `step` (0-based) of `total_steps`: it rises from 0 over `warmup_steps`, then
/// stays, or decays to 0 linearly or along half a cosine wave (Loshchilov, Hutter: "SGDR", 2017). The three equal
/// transformers' get_constant_, get_linear_ and get_cosine_schedule_with_warmup.
double schedule_factor(ScheduleKind kind, std::int64_t step, std::int64_t total_steps, std::int64_t warmup_steps);

}  // namespace temper
