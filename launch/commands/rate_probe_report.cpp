#include "launch/commands/rate_probe_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace temper {
namespace {

std::string loss_text(double loss) { return std::isfinite(loss) ? fmt::format("{:.4f}", loss) : "-"; }

std::string table_row(const std::string& rate, const ProbedLoss& loss, bool validation, const std::string& note) {
  std::string text = fmt::format("{:<14}  {:>13}", rate, loss_text(loss.training));
  if (validation) text += fmt::format("  {:>15}", loss_text(loss.validation.value_or(std::nan(""))));
  return text + (note.empty() ? "" : "  " + note) + "\n";
}

}  // namespace

std::string rate_probe_text(const ProbeReport& report, const Configuration& configuration, const std::string& file) {
  const ProbedCurve& curve = report.curve;
  const bool validation = curve.has_validation();
  std::string text = fmt::format("{:<14}  {:>13}", "learning rate", "training loss");
  if (validation) text += fmt::format("  {:>15}", "validation loss");
  text += "\n" + table_row("(untrained)", curve.start, validation, "");
  for (std::size_t i = 0; i < curve.rates.size(); ++i)
    text += table_row(fmt::format("{}", curve.rates[i].rate), curve.rates[i].end, validation, report.advice.notes[i]);
  if (!report.advice.sentence.empty()) text += report.advice.sentence + ".\n";
  if (report.advice.recommended) {
    const double rate = curve.rates[*report.advice.recommended].rate;
    text += configuration.tuning.phases.empty()
                ? fmt::format("{:<12} temper train {} --set train.learning_rate={}\n", "use it", file, rate)
                : fmt::format("{:<12} learning_rate = {} in the first of tuning.phases\n", "use it", rate);
  }
  text += fmt::format("{:<12} {}\n", "curve", report.files.curve.string());
  return text + fmt::format("{:<12} {}\n", "advice", report.files.record.string());
}

std::string rate_probe_json(const ProbeReport& report, const Configuration& configuration) {
  return nlohmann::ordered_json::parse(probe_record(report.curve, report.advice, configuration)).dump();
}

}  // namespace temper
