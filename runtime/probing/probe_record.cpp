#include "runtime/probing/probe_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "runtime/probing/rate_curve.h"
#include "runtime/probing/rate_grid.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

/// Of a language model's run with long rows: some KiB per rate.
constexpr std::uintmax_t kLargestRecord = std::uintmax_t{16} << 20;

/// Keys that say how the rate goes on from its peak, and for how long: the advice is for any of them.
constexpr std::array<std::string_view, 6> kKeysOfSchedule{"train.learning_rate", "train.epochs",
                                                          "train.max_steps",     "train.schedule",
                                                          "train.warmup_ratio",  "train.warmup_steps"};

/// JSON has no number for what is not finite.
Json finite_number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json loss_json(const ProbedLoss& loss) {
  Json json{{"training_loss", finite_number(loss.training)}};
  if (loss.validation) json["validation_loss"] = finite_number(*loss.validation);
  return json;
}

Json rate_json(const ProbedRate& rate, const std::string& note) {
  Json json{{"rate", rate.rate}};
  json.update(loss_json(rate.end));
  json["not_finite_step"] = rate.not_finite_step ? Json(*rate.not_finite_step) : Json(nullptr);
  json["note"] = note;
  json["losses"] = rate.losses;
  return json;
}

/// In what the advice was asked for another run than this one; empty: in nothing that it depends on.
std::vector<std::string> differences(Configuration then, const Configuration& now) {
  if (!then.tuning.phases.empty() && !now.tuning.phases.empty())
    then.tuning.phases.front().learning_rate = now.tuning.phases.front().learning_rate;
  std::vector<std::string> keys = differing_keys(then, now);
  std::erase_if(keys, [](const std::string& key) {
    return std::find(kKeysOfSchedule.begin(), kKeysOfSchedule.end(), key) != kKeysOfSchedule.end();
  });
  return keys;
}

}  // namespace

ProbeFiles probe_files(const std::filesystem::path& folder) {
  return {folder / "rate-probe.json", folder / "rate-probe.svg"};
}

std::string probe_record(const ProbedCurve& curve, const RateAdvice& advice, const Configuration& configuration) {
  Json json;
  json["recommended"] = advice.recommended ? Json(curve.rates[*advice.recommended].rate) : Json(nullptr);
  json["key"] = configuration.tuning.phases.empty() ? "train.learning_rate" : "tuning.phases[0].learning_rate";
  json["configured"] = configured_rate(configuration);
  json["compared_by"] = curve.has_validation() ? "validation_loss" : "training_loss";
  json["advice"] = advice.sentence;
  json["steps"] = curve.steps;
  json["last_steps"] = curve.last_steps;
  json["untrained"] = loss_json(curve.start);
  json["rates"] = Json::array();
  for (std::size_t i = 0; i < curve.rates.size(); ++i)
    json["rates"].push_back(rate_json(curve.rates[i], advice.notes[i]));
  json["configuration"] = to_toml(configuration);
  return json.dump(1) + "\n";
}

void write_probe(const std::filesystem::path& folder, const ProbedCurve& curve, const RateAdvice& advice,
                 const Configuration& configuration) {
  const ProbeFiles files = probe_files(folder);
  write_file_atomically(files.curve, rate_curve_svg(curve, advice));
  write_file_atomically(files.record, probe_record(curve, advice, configuration));
}

std::string probe_note(const std::filesystem::path& folder, const Configuration& configuration) {
  const std::filesystem::path file = probe_files(folder).record;
  std::error_code status;
  const std::uintmax_t bytes = std::filesystem::file_size(file, status);
  if (status || bytes == 0 || bytes > kLargestRecord) return {};
  try {
    const Json json = Json::parse(MappedFile(file).text());
    if (json.at("recommended").is_null()) return {};
    const double recommended = json.at("recommended").get<double>();
    const Configuration then =
        parse_configuration(json.at("configuration").get_ref<const std::string&>(), file.string(), {});
    const std::vector<std::string> differ = differences(then, configuration);
    const std::string advice = fmt::format("{} recommends a learning rate of {}", file.string(), recommended);
    if (!differ.empty())
      return fmt::format("{}, but for another configuration (it differs in {})", advice, fmt::join(differ, ", "));
    if (recommended == configured_rate(configuration)) return fmt::format("{}, which this run has", advice);
    return fmt::format("{}; this run has {}", advice, configured_rate(configuration));
  } catch (const Error&) {
    // A key that this version does not know, or a file that cannot be read: a run can do without.
    return {};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

}  // namespace temper
