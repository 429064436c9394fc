#include "launch/commands/report.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/name_list.h"
#include "runtime/inputs/trained_use.h"

namespace temper {
namespace {

constexpr std::size_t kMostClassesShown = 32;  // a larger confusion matrix is no longer a line

void print_line(const std::string& title, const std::vector<std::pair<std::string, double>>& values,
                const std::vector<NamedInterval>& intervals) {
  std::string line = fmt::format("{:<12}", title);
  std::string_view gap = " ";
  for (const auto& [name, value] : values) {
    line += fmt::format("{}{} {:.4f}", gap, name, value);
    for (const NamedInterval& entry : intervals)
      if (entry.name == name) line += fmt::format(" [{:.4f}, {:.4f}]", entry.interval.low, entry.interval.high);
    gap = "  ";
  }
  std::printf("%s\n", line.c_str());
}

}  // namespace

nlohmann::json metrics_json(const Metrics& metrics) {
  if (metrics.values.empty()) return nullptr;
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : with_bounds(metrics.values, metrics.intervals)) json[name] = value;
  if (!metrics.confusion.empty() && metrics.confusion.size() <= kMostClassesShown)
    json["confusion"] = metrics.confusion;
  for (const EntityScores& entity : metrics.entities)
    json["entities"][entity.type] = {
        {"precision", entity.precision}, {"recall", entity.recall}, {"f1", entity.f1}, {"support", entity.support}};
  for (const ClassMeasures& of_class : metrics.classes) {
    nlohmann::json& entry = json["classes"][of_class.label] = {{"positives", of_class.positives}};
    for (const auto& [name, value] : with_bounds(of_class.values, of_class.intervals)) entry[name] = value;
  }
  return json;
}

nlohmann::json calibration_json(const std::optional<Calibration>& calibration) {
  return calibration ? nlohmann::json::parse(calibration_to_json(*calibration)) : nlohmann::json();
}

void print_metrics(const std::string& title, const Metrics& metrics) {
  if (metrics.values.empty()) return;
  print_line(title, metrics.values, metrics.intervals);
  if (metrics.classes.size() < 2 || metrics.classes.size() > kMostClassesShown) return;
  for (const ClassMeasures& of_class : metrics.classes) print_line(of_class.label, of_class.values, of_class.intervals);
}

void print_thresholds(const std::string& positive, const Calibration* calibration) {
  if (!positive.empty()) fmt::print("{:<12} {}\n", "positive", quoted_name(positive));
  if (calibration != nullptr)
    fmt::print("{:<12} {}; chosen on validation rows\n", "thresholds", words_of(*calibration));
}

void print_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
}

void print_json(const nlohmann::json& json) { print_json_line(json.dump()); }

void print_json_line(const std::string& json) {
  std::string line = json;
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), stdout) == line.size() && std::fflush(stdout) == 0) return;
  throw Error("standard output: the JSON object cannot be written ({}); free space there, or send it elsewhere",
              std::strerror(errno));
}

}  // namespace temper
