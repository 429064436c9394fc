#include "launch/commands/report.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"

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
  for (const EntityScores& entity : metrics.entities)
    json["entities"][entity.type] = {
        {"precision", entity.precision}, {"recall", entity.recall}, {"f1", entity.f1}, {"support", entity.support}};
  return json;
}

void print_metrics(const std::string& title, const Metrics& metrics) {
  if (metrics.values.empty()) return;
  std::string line = fmt::format("{:<12}", title);
  std::string_view gap = " ";
  for (const auto& [name, value] : metrics.values) {
    line += fmt::format("{}{} {:.4f}", gap, name, value);
    gap = "  ";
  }
  std::printf("%s\n", line.c_str());
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
