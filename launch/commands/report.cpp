#include "launch/commands/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace temper {

namespace {
constexpr std::size_t kMostClassesShown = 32;  // a larger confusion matrix is no longer a line
}

nlohmann::json metrics_json(const Metrics& metrics) {
  if (metrics.values.empty()) return nullptr;
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : metrics.values) json[name] = value;
  if (!metrics.confusion.empty() && metrics.confusion.size() <= kMostClassesShown)
    json["confusion"] = metrics.confusion;
  return json;
}

void print_metrics(const std::string& title, const Metrics& metrics) {
  if (metrics.values.empty()) return;
  std::string line = fmt::format("{:<12}", title);
  for (const auto& [name, value] : metrics.values) line += fmt::format(" {} {:.4f} ", name, value);
  std::printf("%s\n", line.c_str());
}

void print_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
}

void print_json(const nlohmann::json& json) { std::printf("%s\n", json.dump().c_str()); }

}  // namespace temper
