#include "runtime/planning/machine_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kProfileVersion = 2;  // 1 had the rates of products for the roof
constexpr const char* kProfileRemedy = "measure the machine again: temper bench machine";

Json json_of(const RankRates& rates) {
  Json calls = Json::array();
  for (const MeasuredCall& call : rates.calls)
    calls.push_back({{"kernel", call.kernel},
                     {"operations", call.work.operations},
                     {"bytes", call.work.bytes},
                     {"bf16", call.work.bf16},
                     {"seconds", call.seconds}});
  return {{"operations_per_second", rates.operations},
          {"bf16_operations_per_second", rates.bf16_operations},
          {"memory_bytes_per_second", rates.memory_bytes},
          {"calls", calls}};
}

Json json_of(const TransferRate& rate) {
  return {{"latency_seconds", rate.latency_seconds}, {"bytes_per_second", rate.bytes_per_second}};
}

/// A number that a rate or a size may be.
double number(const Json& json, const char* key) {
  const double value = json.at(key).get<double>();
  if (!std::isfinite(value) || value < 0.0) throw Error("{} is {}, expected a number from 0 up", key, value);
  return value;
}

RankRates rates_of(const Json& json) {
  RankRates rates;
  rates.operations = number(json, "operations_per_second");
  rates.bf16_operations = number(json, "bf16_operations_per_second");
  rates.memory_bytes = number(json, "memory_bytes_per_second");
  if (rates.operations == 0.0 || rates.memory_bytes == 0.0) throw Error("a rate is 0");
  for (const Json& call : json.at("calls")) {
    rates.calls.push_back({call.at("kernel"),
                           {number(call, "operations"), number(call, "bytes"), call.at("bf16").get<bool>()},
                           number(call, "seconds")});
    if (rates.calls.back().seconds == 0.0) throw Error("a call of {} took no time", rates.calls.back().kernel);
  }
  return rates;
}

TransferRate transfer_of(const Json& json) {
  return {number(json, "latency_seconds"), number(json, "bytes_per_second")};
}

}  // namespace

RankRates with_threads(const MachineProfile& machine, bool several_ranks, int threads) {
  RankRates rates = machine.rates(several_ranks);
  const double share = static_cast<double>(threads) / static_cast<double>(machine.threads);
  rates.operations *= share;
  rates.bf16_operations *= share;
  return rates;
}

std::string busy_note(const MachineProfile& profile) {
  // What an idle machine's own services take is less.
  constexpr double kIdleShare = 0.9;
  if (profile.processor_share >= kIdleShare) return "";
  return fmt::format(
      "the machine was busy while it was measured: other programs had the processor for {:.0f} % of the time, so its "
      "rates are too low, and times planned by them too long; measure it again when it is idle: temper bench machine",
      100.0 * (1.0 - profile.processor_share));
}

std::string to_json(const MachineProfile& profile) {
  const Json json{{"version", kProfileVersion},
                  {"ranks", profile.ranks},
                  {"nodes", profile.nodes},
                  {"threads", profile.threads},
                  {"device", profile.device},
                  {"instruction_set", profile.instruction_set},
                  {"alone", json_of(profile.alone)},
                  {"together", json_of(profile.together)},
                  {"all_reduce", json_of(profile.all_reduce)},
                  {"exchange", json_of(profile.exchange)},
                  {"message_exchange", json_of(profile.message_exchange)},
                  {"disk_bytes_per_second", profile.disk_bytes_per_second},
                  {"processor_share", profile.processor_share},
                  {"start_seconds", profile.start_seconds},
                  {"resident_bytes", profile.resident_bytes}};
  return json.dump(1) + "\n";
}

MachineProfile parse_machine_profile(std::string_view text, const std::string& name) {
  try {
    const Json json = Json::parse(text);
    if (const int version = json.at("version"); version != kProfileVersion)
      throw Error("its version is {}, expected {}", version, kProfileVersion);
    MachineProfile profile;
    profile.ranks = json.at("ranks");
    profile.nodes = json.at("nodes");
    profile.threads = json.at("threads");
    profile.device = json.at("device");
    profile.instruction_set = json.at("instruction_set");
    profile.alone = rates_of(json.at("alone"));
    profile.together = rates_of(json.at("together"));
    profile.all_reduce = transfer_of(json.at("all_reduce"));
    profile.exchange = transfer_of(json.at("exchange"));
    profile.message_exchange = transfer_of(json.at("message_exchange"));
    profile.disk_bytes_per_second = number(json, "disk_bytes_per_second");
    // Those of before did not ask.
    if (json.contains("processor_share")) profile.processor_share = number(json, "processor_share");
    profile.start_seconds = number(json, "start_seconds");
    profile.resident_bytes = json.at("resident_bytes");
    return profile;
  } catch (const std::exception& error) {
    throw Error("{}: is no whole machine profile ({}); {}", name, error.what(), kProfileRemedy);
  }
}

std::filesystem::path default_machine_profile_path() {
  const auto named = [](const char* variable) -> std::filesystem::path {
    const char* value = std::getenv(variable);
    return value == nullptr ? "" : value;
  };
  if (const auto file = named("TEMPER_MACHINE_PROFILE"); !file.empty()) return file;
  const std::filesystem::path configuration = named("XDG_CONFIG_HOME");
  return (configuration.empty() ? named("HOME") / ".config" : configuration) / "temper" / "machine.json";
}

MachineProfile read_machine_profile(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file))
    throw Error("{}: there is no machine profile; write one: temper bench machine --output {}", file.string(),
                file.string());
  return parse_machine_profile(read_text_file(file), file.string());
}

std::optional<MachineProfile> find_machine_profile() {
  const std::filesystem::path file = default_machine_profile_path();
  if (!std::filesystem::exists(file)) return std::nullopt;
  return read_machine_profile(file);
}

double roof_seconds(const RankRates& rates, const KernelWork& work) {
  const double peak = work.bf16 && rates.bf16_operations > 0.0 ? rates.bf16_operations : rates.operations;
  return std::max(work.operations / peak, work.bytes / rates.memory_bytes);
}

double call_seconds(const RankRates& rates, const KernelId& kernel, const KernelWork& work) {
  const bool by_operations = is_limited_by_operations(kernel.kind);
  // Attention's rate goes with the length of its sequences, which is what operations per byte show.
  const bool by_intensity = kernel.kind == KernelClass::attention;
  const auto amount = [&](const KernelWork& of) { return by_operations ? of.operations : of.bytes; };
  const auto place = [&](const KernelWork& of) { return by_intensity ? of.operations / of.bytes : amount(of); };
  if (amount(work) <= 0.0) return 0.0;
  std::vector<std::pair<double, double>> points;  // place, rate
  for (const MeasuredCall& call : rates.calls)
    if (call.kernel == kernel.name && call.work.bf16 == work.bf16 && amount(call.work) > 0.0)
      points.emplace_back(place(call.work), amount(call.work) / call.seconds);
  if (points.empty()) return roof_seconds(rates, work);
  std::sort(points.begin(), points.end());
  const double at = place(work);
  const auto above = std::find_if(points.begin(), points.end(), [&](const auto& point) { return point.first >= at; });
  double rate = 0.0;
  if (above == points.begin()) {
    rate = points.front().second;
  } else if (above == points.end()) {
    rate = points.back().second;
  } else {
    const auto& [low, low_rate] = *std::prev(above);
    const auto& [high, high_rate] = *above;
    const double share = std::log(at / low) / std::log(high / low);
    rate = low_rate * std::pow(high_rate / low_rate, share);
  }
  return amount(work) / rate;
}

}  // namespace temper
