#include "launch/commands/profile_report.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace temper {
namespace {

/// 0 to 1, or more where a cache served what memory was thought to; 0 for a kernel that is made of others.
double share_of_roof(const KernelTime& time, const RankRates& rates) {
  return time.seconds > 0.0 ? roof_seconds(rates, time.work) / time.seconds : 0.0;
}

/// "1.2 G" of a second, "-" of nothing.
std::string rate_text(double amount, double seconds) {
  if (amount <= 0.0 || seconds <= 0.0) return "-";
  return fmt::format("{:.1f}", 1e-9 * amount / seconds);
}

}  // namespace

nlohmann::json profile_json(std::span<const KernelTime> times, const std::optional<RankRates>& rates) {
  nlohmann::json rows = nlohmann::json::array();
  for (const KernelTime& time : times) {
    nlohmann::json row{{"kernel", time.kernel.name},
                       {"calls", time.calls},
                       {"seconds", time.seconds},
                       {"operations", time.work.operations},
                       {"bytes", time.work.bytes}};
    if (rates) row["share_of_roof"] = share_of_roof(time, *rates);
    rows.push_back(std::move(row));
  }
  return rows;
}

void print_profile(std::span<const KernelTime> times, const std::optional<RankRates>& rates) {
  double all = 0.0;
  for (const KernelTime& time : times) all += time.seconds;
  const auto percent = [&](double seconds) { return all > 0.0 ? 100.0 * seconds / all : 0.0; };
  std::printf("%-26s %10s %12s %9s %9s %9s %9s\n", "kernel", "calls", "seconds", "share", "GFLOP/s", "GB/s", "of roof");
  for (const KernelTime& time : times) {
    const bool has_roof = rates && time.work.bytes > 0.0;
    const std::string roof = has_roof ? fmt::format("{:.0f} %", 100.0 * share_of_roof(time, *rates)) : "-";
    std::printf("%-26.*s %10ld %12.4f %7.1f %% %9s %9s %9s\n", static_cast<int>(time.kernel.name.size()),
                time.kernel.name.data(), time.calls, time.seconds, percent(time.seconds),
                rate_text(time.work.operations, time.seconds).c_str(), rate_text(time.work.bytes, time.seconds).c_str(),
                roof.c_str());
  }
  if (!rates) std::printf("The roof is not known: there is no profile of this machine (temper bench machine).\n");
  std::printf("outside matrix products and attention: %.0f %%\n", 100.0 * share_outside_products_and_attention(times));
}

}  // namespace temper
