// From a configuration back to TOML, and to a description of every key.
#include <algorithm>

#include <fmt/format.h>

#include "runtime/config/config_keys.h"

namespace temper {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// The shortest text that reads as the same number, with a point or an exponent so that TOML takes it for a float.
std::string number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

template <typename Values, typename Print>
std::string array(const Values& values, const Print& print) {
  std::string out = "[";
  for (std::size_t i = 0; i < values.size(); ++i) out += (i == 0 ? "" : ", ") + print(values[i]);
  return out + "]";
}

std::string phase_text(const PhaseConfig& phase) {
  std::string out = "{ freeze = " + array(phase.freeze, quoted);
  if (phase.epochs > 0) out += ", epochs = " + number(phase.epochs);
  if (phase.steps > 0) out += fmt::format(", steps = {}", phase.steps);
  if (phase.fraction > 0) out += ", fraction = " + number(phase.fraction);
  if (phase.plateau_patience > 0) out += fmt::format(", plateau_patience = {}", phase.plateau_patience);
  if (phase.learning_rate) out += ", learning_rate = " + number(*phase.learning_rate);
  if (phase.layer_decay) out += ", layer_decay = " + number(*phase.layer_decay);
  if (phase.warmup_steps > 0) out += fmt::format(", warmup_steps = {}", phase.warmup_steps);
  if (phase.merge_adapters) out += ", merge_adapters = true";
  return out + " }";
}

std::string one_or_more(const OneOrMore& value) {
  if (value.listed || value.values.size() > 1) return array(value.values, quoted);
  return quoted(value.text());
}

std::string evaluation_set_text(const EvaluationSetConfig& set) {
  std::string out = "{ name = " + quoted(set.name) + ", data = " + one_or_more(set.data);
  if (set.every_steps > 0) out += fmt::format(", every_steps = {}", set.every_steps);
  return out + " }";
}

struct Print {
  std::string operator()(const std::string* value) const { return quoted(*value); }
  std::string operator()(const OneOrMore* value) const { return one_or_more(*value); }
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::int64_t* value) const { return fmt::format("{}", *value); }
  std::string operator()(const double* value) const { return number(*value); }
  std::string operator()(const std::vector<std::string>* value) const { return array(*value, quoted); }
  std::string operator()(const std::vector<double>* value) const { return array(*value, number); }
  std::string operator()(const Rates* value) const {
    if (value->empty()) return "{}";
    std::string out = "{ ";
    for (std::size_t i = 0; i < value->size(); ++i)
      out += (i == 0 ? "" : ", ") + quoted((*value)[i].first) + " = " + number((*value)[i].second);
    return out + " }";
  }
  std::string operator()(const std::vector<PhaseConfig>* value) const { return array(*value, phase_text); }
  std::string operator()(const std::vector<EvaluationSetConfig>* value) const {
    return array(*value, evaluation_set_text);
  }
  std::string operator()(const LayerInterval* value) const {
    if (value->layers > 1) return fmt::format("{}", value->layers);
    return quoted(value->layers == 0 ? "none" : "blocks");
  }
};

struct TypeName {
  std::string operator()(const std::string*) const { return "string"; }
  std::string operator()(const OneOrMore*) const { return "string or array of strings"; }
  std::string operator()(const bool*) const { return "true or false"; }
  std::string operator()(const std::int64_t*) const { return "whole number"; }
  std::string operator()(const double*) const { return "number"; }
  std::string operator()(const std::vector<std::string>*) const { return "array of strings"; }
  std::string operator()(const std::vector<double>*) const { return "array of numbers"; }
  std::string operator()(const Rates*) const { return "table of numbers"; }
  std::string operator()(const std::vector<PhaseConfig>*) const { return "array of tables"; }
  std::string operator()(const std::vector<EvaluationSetConfig>*) const { return "array of tables"; }
  std::string operator()(const LayerInterval*) const { return "string or whole number"; }
};

std::string allowed(const ConfigurationKey& key) {
  if (key.choices.empty()) return key.range.text();
  std::string out;
  for (const std::string& choice : key.choices) out += (out.empty() ? "" : ", ") + ("`" + choice + "`");
  const std::string range = key.range.text();
  return range.empty() ? out : out + " or a number, " + range;
}

}  // namespace

std::string OneOrMore::text() const {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : ", ") + value;
  return out;
}

std::string to_toml(const Configuration& configuration) {
  Configuration copy = configuration;
  std::string out;
  std::string section;
  for (const ConfigurationKey& key : configuration_keys()) {
    if (key.section != section) {
      section = key.section;
      out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    out += fmt::format("{} = {}\n", key.name, std::visit(Print{}, key.target(copy)));
  }
  return out;
}

std::vector<std::string> differing_keys(const Configuration& a, const Configuration& b) {
  Configuration first = a;
  Configuration second = b;
  std::vector<std::string> differing;
  for (const ConfigurationKey& key : configuration_keys())
    if (key.decides_weights && std::visit(Print{}, key.target(first)) != std::visit(Print{}, key.target(second)))
      differing.push_back(key.full_name());
  return differing;
}

std::string describe_configuration() {
  Configuration defaults;
  std::string out =
      "# Configuration\n\n"
      "A run is described by a TOML file: `temper train run.toml`. Any key can also be set on the command line:\n"
      "`--set train.epochs=1`. An unknown key, or a value of the wrong type or out of range, is refused, and the "
      "message "
      "says\nwhat is allowed. Paths are relative to the folder in which the program is started.\n"
      "This page is the output of `temper train --help-config`.\n";
  std::string section;
  for (const ConfigurationKey& key : configuration_keys()) {
    if (key.section != section) {
      section = key.section;
      out += fmt::format("\n## [{}]\n\n| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n", section);
    }
    const std::string standard = key.required ? "required" : "`" + std::visit(Print{}, key.target(defaults)) + "`";
    std::string help = key.help;
    for (std::size_t bar = help.find('|'); bar != std::string::npos; bar = help.find('|', bar + 2))
      help.replace(bar, 1, "\\|");
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", key.name, std::visit(TypeName{}, key.target(defaults)),
                       standard, allowed(key), help);
  }
  return out;
}

}  // namespace temper
