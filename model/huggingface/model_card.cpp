#include "model/huggingface/model_card.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "model/huggingface/json_object.h"

namespace temper {
namespace {

/// JSON's text is YAML's double-quoted scalar.
std::string yaml(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Text inside one table cell: no line may end it, no bar may split it, and no markup may start in it.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') {
      escaped += ' ';
      continue;
    }
    if (std::string_view("\\`*_{}[]<>|#").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

/// A block whose fence is longer than any run of backticks in it.
std::string fenced(std::string_view text, std::string_view language) {
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(std::max<std::size_t>(3, longest + 1), '`');
  return fmt::format("{}{}\n{}{}{}\n", fence, language, text, text.ends_with('\n') ? "" : "\n", fence);
}

std::string front_matter(const Lineage& lineage) {
  std::string text = fmt::format("---\nlibrary_name: {}\n", lineage.is_adapter ? "peft" : lineage.library);
  if (!lineage.hub_pipeline.empty()) text += fmt::format("pipeline_tag: {}\n", lineage.hub_pipeline);
  if (!lineage.base_model.empty()) text += fmt::format("base_model: {}\n", yaml(lineage.base_model));
  text += "tags:\n- temper\n- fine-tuned\n";
  return text + "---\n";
}

std::string origin(const Lineage& lineage) {
  std::string rows;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) rows += fmt::format("| {} | {} |\n", name, value);
  };
  const auto add_count = [&](std::string_view name, std::int64_t value) {
    if (value > 0) rows += fmt::format("| {} | {} |\n", name, value);
  };
  add("Architecture", cell(lineage.architecture));
  add("Task", cell(lineage.task));
  add("Base model", cell(lineage.base_model));
  add("SHA-256 of the base model", cell(lineage.base_model_sha256));
  add("Trained with", lineage.program_version.empty() ? "" : "Temper " + cell(lineage.program_version));
  add_count("Ranks", lineage.ranks);
  add_count("Optimiser steps", lineage.steps);
  return rows.empty() ? "" : "\n## Origin\n\n| | |\n|---|---|\n" + rows;
}

std::string metrics_table(const Lineage& lineage) {
  if (lineage.metrics.empty()) return "";
  std::string text = "\n## Metrics\n\n| metric | value |\n|---|---|\n";
  for (const auto& [name, value] : lineage.metrics) text += fmt::format("| {} | {:.6g} |\n", cell(name), value);
  return text;
}

std::string reading_table(const Lineage& lineage) {
  std::string text;
  if (!lineage.reading.empty()) text += "\n## How to read it\n\n| | |\n|---|---|\n";
  for (const auto& [name, value] : lineage.reading) text += fmt::format("| {} | {} |\n", cell(name), cell(value));
  if (!lineage.caution.empty()) text += "\n" + lineage.caution + "\n";
  return text;
}

std::string data_table(const Lineage& lineage) {
  if (lineage.data_files.empty()) return "";
  std::string text = "\n## Data\n\n| role | file | rows | SHA-256 |\n|---|---|---|---|\n";
  for (const DataFileLineage& data : lineage.data_files)
    text += fmt::format("| {} | {} | {} | {} |\n", cell(data.role), cell(data.file),
                        data.rows > 0 ? fmt::to_string(data.rows) : "", cell(data.sha256));
  return text;
}

std::string label_list(const Lineage& lineage) {
  if (lineage.labels.empty()) return "";
  std::string text = "\n## Labels\n\n| id | label |\n|---|---|\n";
  for (std::size_t id = 0; id < lineage.labels.size(); ++id)
    text += fmt::format("| {} | {} |\n", id, cell(lineage.labels[id]));
  return text;
}

}  // namespace

std::string model_card(const Lineage& lineage) {
  std::string text = front_matter(lineage);
  text += fmt::format("\n# {}\n", lineage.title.empty() ? "Fine-tuned model" : cell(lineage.title));
  text += origin(lineage) + metrics_table(lineage) + reading_table(lineage) + data_table(lineage) + label_list(lineage);
  if (!lineage.configuration.empty()) text += "\n## Configuration\n\n" + fenced(lineage.configuration, "toml");
  return text;
}

}  // namespace temper
