// From TOML to a checked configuration. The only file that includes toml++, which takes long to compile.
#include <toml++/toml.h>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/nearest_name.h"
#include "runtime/config/config_keys.h"
#include "runtime/config/toml_mistake.h"
#include "runtime/config/usual_names.h"
#include "runtime/tasks/task.h"
#include "runtime/updates/update_rule.h"

namespace temper {
namespace {

std::string line_of(const toml::node& node, const std::string& source) {
  const auto line = node.source().begin.line;
  return line > 0 ? fmt::format("{} line {}", source, line) : source;
}

/// Where a value stands, for messages: "run.toml line 7: train.batch_size".
struct Place {
  std::string source;
  std::string key;
  std::string file;  ///< in which values within this one have lines of their own; empty: in none

  /// Of a value within this one.
  [[nodiscard]] Place of(const toml::node& node, std::string name) const {
    return {file.empty() ? source : line_of(node, file), std::move(name), file};
  }
};

std::string type_of(const toml::node& node) {
  std::ostringstream text;
  text << node.type();
  return text.str();
}

[[noreturn]] void refuse_type(const toml::node& node, const Place& place, const char* expected) {
  throw usage_error("{}: {} is a value of type {}, expected {}", place.source, place.key, type_of(node), expected);
}

double read_number(const toml::node& node, const Place& place) {
  if (const auto* whole = node.as_integer()) return static_cast<double>(whole->get());
  if (const auto* number = node.as_floating_point(); number != nullptr && std::isfinite(number->get()))
    return number->get();
  refuse_type(node, place, "a finite number");
}

std::int64_t read_whole_number(const toml::node& node, const Place& place) {
  if (const auto* whole = node.as_integer()) return whole->get();
  refuse_type(node, place, "a whole number");
}

std::string read_string(const toml::node& node, const Place& place) {
  if (const auto* text = node.as_string()) return text->get();
  refuse_type(node, place, "a string");
}

const toml::array& read_array(const toml::node& node, const Place& place, const char* expected) {
  if (const auto* array = node.as_array()) return *array;
  refuse_type(node, place, expected);
}

std::vector<std::string> read_strings(const toml::node& node, const Place& place) {
  std::vector<std::string> values;
  for (const toml::node& item : read_array(node, place, "an array of strings"))
    values.push_back(read_string(item, place));
  return values;
}

void check_range(double value, const KeyRange& range, const Place& place) {
  if (!range.contains(value))
    throw usage_error("{}: {} is {}; it must be {}", place.source, place.key, value, range.text());
}

[[noreturn]] void refuse_name(const std::string& source, const char* what, const std::string& name,
                              const std::vector<std::string>& known) {
  // Of a key, what stands behind its section.
  const std::size_t dot = name.rfind('.') + 1;
  const std::string usual = name.substr(0, dot) + usual_name(name.substr(dot));
  const bool is_known = std::find(known.begin(), known.end(), usual) != known.end();
  const std::string nearest = is_known ? usual : nearest_name(name, known);
  if (!nearest.empty()) throw usage_error("{}: unknown {} '{}'; did you mean '{}'?", source, what, name, nearest);
  std::string listed;
  for (const std::string& one : known) listed += (listed.empty() ? "" : ", ") + one;
  throw usage_error("{}: unknown {} '{}'; known are {}", source, what, name, listed);
}

PhaseConfig read_phase(const toml::node& node, const Place& place) {
  const auto* table = node.as_table();
  if (table == nullptr) refuse_type(node, place, "a table such as { freeze = [\"*\"], epochs = 1 }");
  static const std::vector<std::string> known{"freeze",      "epochs",           "steps",
                                              "fraction",    "plateau_patience", "learning_rate",
                                              "layer_decay", "warmup_steps",     "merge_adapters"};
  PhaseConfig phase;
  for (const auto& [key, value] : *table) {
    const std::string name(key.str());
    const Place inner = place.of(value, place.key + "." + name);
    const auto number = [&, &item = value](KeyRange range) {
      const double read = read_number(item, inner);
      check_range(read, range, inner);
      return read;
    };
    const auto whole = [&, &item = value](double least) {
      const std::int64_t read = read_whole_number(item, inner);
      check_range(static_cast<double>(read), {least, 1e15}, inner);
      return read;
    };
    if (name == "freeze") {
      phase.freeze = read_strings(value, inner);
    } else if (name == "epochs") {
      phase.epochs = number({0, 1e9, false});
    } else if (name == "steps") {
      phase.steps = whole(1);
    } else if (name == "fraction") {
      phase.fraction = number({0, 1, false});
    } else if (name == "plateau_patience") {
      phase.plateau_patience = whole(1);
    } else if (name == "learning_rate") {
      phase.learning_rate = number({0, 1e9, false});
    } else if (name == "layer_decay") {
      phase.layer_decay = number({0, 1, false});
    } else if (name == "warmup_steps") {
      phase.warmup_steps = whole(0);
    } else if (name == "merge_adapters") {
      const auto* flag = value.as_boolean();
      if (flag == nullptr) refuse_type(value, inner, "true or false");
      phase.merge_adapters = flag->get();
    } else {
      refuse_name(inner.source, "key of a phase", name, known);
    }
  }
  const int ends = (phase.epochs > 0) + (phase.steps > 0) + (phase.fraction > 0);
  if (ends > 1)
    throw usage_error("{}: a phase ends by one of epochs, steps and fraction; this one has {}", place.source, ends);
  return phase;
}

OneOrMore read_one_or_more(const toml::node& node, const Place& place) {
  OneOrMore read;
  if (node.as_array() == nullptr) {
    if (node.as_string() == nullptr) refuse_type(node, place, "a string or an array of strings");
    return read_string(node, place);
  }
  read.values = read_strings(node, place);
  read.listed = true;
  if (std::find(read.values.begin(), read.values.end(), "") != read.values.end())
    throw usage_error("{}: {} has an empty string among its values", place.source, place.key);
  return read;
}

/// A name is part of those of curves and records.
void check_set_name(const std::string& name, const Place& place) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!plain)
    throw usage_error("{}: {} is \"{}\", expected letters, digits, '-', '_' and '.'", place.source, place.key, name);
}

EvaluationSetConfig read_evaluation_set(const toml::node& node, const Place& place) {
  const auto* table = node.as_table();
  if (table == nullptr) refuse_type(node, place, "a table such as { name = \"old\", data = \"old.csv\" }");
  static const std::vector<std::string> known{"name", "data", "every_steps"};
  EvaluationSetConfig set;
  for (const auto& [key, value] : *table) {
    const std::string name(key.str());
    const Place inner = place.of(value, place.key + "." + name);
    if (name == "name") {
      set.name = read_string(value, inner);
      check_set_name(set.name, inner);
    } else if (name == "data") {
      set.data = read_one_or_more(value, inner);
    } else if (name == "every_steps") {
      set.every_steps = read_whole_number(value, inner);
      check_range(static_cast<double>(set.every_steps), {0, 1e15}, inner);
    } else {
      refuse_name(inner.source, "key of an evaluation set", name, known);
    }
  }
  if (set.name.empty() || set.data.empty())
    throw usage_error("{}: a set of {} has no {}, expected {{ name = \"old\", data = \"old.csv\" }}", place.source,
                      place.key, set.name.empty() ? "name" : "data");
  return set;
}

/// Reads a node into the place of its key.
struct Assign {
  const ConfigurationKey& key;
  const toml::node& node;
  Place place;

  void operator()(std::string* target) const {
    *target = read_string(node, place);
    if (key.choices.empty() || std::find(key.choices.begin(), key.choices.end(), *target) != key.choices.end()) return;
    refuse_name(place.source, ("value of " + key.full_name()).c_str(), *target, key.choices);
  }
  void operator()(OneOrMore* target) const { *target = read_one_or_more(node, place); }
  void operator()(bool* target) const {
    const auto* value = node.as_boolean();
    if (value == nullptr) refuse_type(node, place, "true or false");
    *target = value->get();
  }
  void operator()(std::int64_t* target) const {
    *target = read_whole_number(node, place);
    check_range(static_cast<double>(*target), key.range, place);
  }
  void operator()(double* target) const {
    *target = read_number(node, place);
    check_range(*target, key.range, place);
  }
  void operator()(std::vector<std::string>* target) const { *target = read_strings(node, place); }
  void operator()(std::vector<double>* target) const {
    target->clear();
    for (const toml::node& item : read_array(node, place, "an array of numbers")) {
      target->push_back(read_number(item, place));
      check_range(target->back(), key.range, place);
    }
  }
  void operator()(Rates* target) const {
    const auto* table = node.as_table();
    if (table == nullptr) refuse_type(node, place, "a table such as { classifier = 10.0 }");
    target->clear();
    for (const auto& [pattern, value] : *table) {
      target->emplace_back(std::string(pattern.str()), read_number(value, place));
      check_range(target->back().second, {0, 1e9}, place);
    }
    // A TOML table has no order, and the last pattern that fits wins: so the longer, the later.
    std::stable_sort(target->begin(), target->end(),
                     [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
  }
  void operator()(LayerInterval* target) const {
    if (node.as_string() != nullptr) {
      std::string name;
      (*this)(&name);
      target->layers = name == key.choices.front() ? 0 : 1;
    } else if (node.as_integer() != nullptr) {
      (*this)(&target->layers);
    } else {
      refuse_type(node, place, "a string or a whole number");
    }
  }
  void operator()(std::vector<PhaseConfig>* target) const {
    target->clear();
    for (const toml::node& item : read_array(node, place, "an array of tables")) {
      target->push_back(read_phase(item, place.of(item, place.key)));
    }
  }
  void operator()(std::vector<EvaluationSetConfig>* target) const {
    target->clear();
    for (const toml::node& item : read_array(node, place, "an array of tables")) {
      EvaluationSetConfig set = read_evaluation_set(item, place.of(item, place.key));
      const auto same = [&](const EvaluationSetConfig& other) { return other.name == set.name; };
      if (std::any_of(target->begin(), target->end(), same))
        throw usage_error("{}: two sets of {} are called \"{}\"; rename one", place.source, place.key, set.name);
      target->push_back(std::move(set));
    }
  }
};

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const ConfigurationKey& key : configuration_keys())
    if (names.empty() || names.back() != key.section) names.push_back(key.section);
  return names;
}

std::vector<std::string> key_names(const std::string& section) {
  std::vector<std::string> names;
  for (const ConfigurationKey& key : configuration_keys())
    if (key.section == section) names.push_back(key.name);
  return names;
}

const ConfigurationKey& find_key(const std::string& section, const std::string& name, const std::string& source) {
  for (const ConfigurationKey& key : configuration_keys())
    if (key.section == section && key.name == name) return key;
  const std::vector<std::string> sections = section_names();
  if (std::find(sections.begin(), sections.end(), section) == sections.end())
    refuse_name(source, "section", section, sections);
  std::vector<std::string> known;
  for (const std::string& one : key_names(section)) known.push_back(section + "." + one);
  const std::string usual = usual_name(name);
  const bool is_here = std::find(known.begin(), known.end(), section + "." + usual) != known.end();
  // The key may be right and the section wrong.
  for (const ConfigurationKey& key : configuration_keys())
    if (!is_here && (key.name == name || key.name == usual))
      throw usage_error("{}: unknown key '{}.{}'; did you mean '{}'?", source, section, name, key.full_name());
  refuse_name(source, "key", section + "." + name, known);
}

toml::table parse_toml(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    const auto [line, column] = error.source().begin;
    throw usage_error("{} line {}, column {}: {}", name, line, column,
                      toml_mistake(text, line, column, error.description()));
  }
}

/// Keys that were given a value, by their full names.
using GivenKeys = std::set<std::string, std::less<>>;

void apply_table(const toml::table& table, const std::string& name, Configuration& configuration, GivenKeys& given) {
  for (const auto& [section, value] : table) {
    const std::string section_name(section.str());
    const auto* keys = value.as_table();
    const std::vector<std::string> sections = section_names();
    if (std::find(sections.begin(), sections.end(), section_name) == sections.end())
      refuse_name(line_of(value, name), keys == nullptr ? "key" : "section", section_name, sections);
    if (keys == nullptr)
      throw usage_error("{}: '{}' is a section, written [{}]", line_of(value, name), section_name, section_name);
    for (const auto& [key_name, node] : *keys) {
      const std::string source = line_of(node, name);
      const ConfigurationKey& key = find_key(section_name, std::string(key_name.str()), source);
      std::visit(Assign{key, node, {source, key.full_name(), name}}, key.target(configuration));
      given.insert(key.full_name());
    }
  }
}

/// Whether a text is a number that 64 bits cannot hold: of a whole one an integer, of any other a floating-point
/// number.
bool is_too_large(const std::string& text) {
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  const auto [whole_end, whole_status] = std::from_chars(begin, end, whole);
  if (whole_end == end) return whole_status == std::errc::result_out_of_range;
  double number = 0.0;
  const auto [number_end, number_status] = std::from_chars(begin, end, number);
  // Out of range is what lies too near to 0, too.
  return number_end == end && number_status == std::errc::result_out_of_range &&
         std::abs(std::strtod(begin, nullptr)) > 1;
}

void apply_override(const std::string& text, Configuration& configuration, GivenKeys& given) {
  const std::string source = "--set " + text;
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals)
    throw usage_error("{}: expected section.key=value, as in --set train.epochs=1", source);
  const ConfigurationKey& key = find_key(text.substr(0, dot), text.substr(dot + 1, equals - dot - 1), source);
  const std::string value = text.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = toml::parse("value = " + value);
  } catch (const toml::parse_error&) {
    // A bare word stands for a string, so that a shell needs no quotes within quotes.
    parsed.insert("value", value);
  }
  const KeyTarget target = key.target(configuration);
  const bool wants_number = std::holds_alternative<double*>(target) || std::holds_alternative<std::int64_t*>(target) ||
                            std::holds_alternative<LayerInterval*>(target);
  if (wants_number && parsed.get_as<std::string>("value") != nullptr && is_too_large(value))
    throw usage_error("{}: {} is {}, which is too large; it must be {}", source, key.full_name(), value,
                      key.range.text());
  const bool wants_list = std::holds_alternative<OneOrMore*>(target) && parsed.get_as<toml::array>("value") != nullptr;
  const bool wants_string =
      std::holds_alternative<std::string*>(target) || (std::holds_alternative<OneOrMore*>(target) && !wants_list);
  if (wants_string && parsed.get_as<std::string>("value") == nullptr) parsed.insert_or_assign("value", value);
  std::visit(Assign{key, *parsed.get("value"), {source, key.full_name(), ""}}, key.target(configuration));
  given.insert(key.full_name());
}

/// Hyper-parameters that were not given take the default of the update rule, where it has one of its own.
void apply_rule_defaults(Configuration& configuration, const GivenKeys& given) {
  for (const auto& [name, value] : update_rule(configuration.train.update.rule).defaults) {
    const ConfigurationKey& key = find_key("train", std::string(name), "the table of update rules");
    if (!given.contains(key.full_name())) *std::get<double*>(key.target(configuration)) = value;
  }
}

/// Hyper-parameters of another update rule than the one chosen.
void check_hyper_parameters(const Configuration& configuration, const std::string& name) {
  const std::string& rule = configuration.train.update.rule;
  const auto has = [](const UpdateRule& one, std::string_view key) {
    return std::find(one.hyper_parameters.begin(), one.hyper_parameters.end(), key) != one.hyper_parameters.end();
  };
  Configuration defaults;
  defaults.train.update.rule = rule;
  apply_rule_defaults(defaults, {});
  for (const std::string& key : differing_keys(defaults, configuration)) {
    if (!key.starts_with("train.") || has(update_rule(rule), key.substr(6))) continue;
    for (const UpdateRule& other : update_rules())
      if (has(other, key.substr(6)))
        throw usage_error("{}: {} has no effect with train.optimizer = \"{}\", as it has with \"{}\"; remove it", name,
                          key, rule, other.name);
  }
}

/// Of a string, or of several.
bool is_empty(const KeyTarget& target) {
  if (const auto* const* several = std::get_if<OneOrMore*>(&target)) return (*several)->empty();
  return std::get<std::string*>(target)->empty();
}

/// A model that is given what it is to predict learns nothing else.
void check_columns(const Configuration& configuration, const std::string& name) {
  const DataSection& data = configuration.data;
  const auto refuse = [&](const char* one, const char* other, const std::string& column) {
    throw usage_error("{}: {} and {} both name the column '{}'; each needs its own", name, one, other, column);
  };
  if (data.text == data.text_pair) refuse("data.text", "data.text_pair", data.text);
  // Tasks without labels of their own predict the words themselves.
  if (!has_label_column(task_named(configuration.model.task).labels)) return;
  for (const std::string& label : data.label.values) {
    if (label == data.text) refuse("data.text", "data.label", label);
    if (label == data.text_pair) refuse("data.text_pair", "data.label", label);
  }
}

/// Keys that no text is read by, and values that go together.
void check_images(const Configuration& configuration, const std::string& name) {
  if (!reads_images(configuration)) {
    for (const std::string& key : differing_keys(Configuration(), configuration))
      if (key.starts_with("images.") || key.starts_with("augment.") || key == "data.group" || key == "data.image")
        throw usage_error("{}: {} is set, but model.task is \"{}\", whose rows are texts; remove it", name, key,
                          configuration.model.task);
    return;
  }
  if (!configuration.data.train_weights.empty())
    throw usage_error("{}: data.train_weights mixes files of texts, but rows are pictures here; remove it", name);
  const std::vector<double>& scale = configuration.augment.crop_scale;
  if (!scale.empty() && (scale.size() != 2 || scale[0] > scale[1]))
    throw usage_error("{}: augment.crop_scale is [{}], expected the least and the largest share of a picture", name,
                      fmt::join(scale, ", "));
  const std::vector<double>& window = configuration.images.window;
  if (!window.empty() && (window.size() != 2 || window[1] <= 0))
    throw usage_error("{}: images.window is [{}], expected a centre and a width above 0", name,
                      fmt::join(window, ", "));
}

/// Adapters are new ones or those of a folder, beside a model that has been trained.
void check_adapters(const Configuration& configuration, const std::string& name) {
  const bool continues = !configuration.model.adapter.empty();
  const bool has_rank = configuration.lora.rank > 0;
  for (const std::string& key : differing_keys(Configuration(), configuration)) {
    if (!key.starts_with("lora.")) continue;
    if (continues)
      throw usage_error("{}: model.adapter names an adapter whose own settings count, so {} has no effect; remove it",
                        name, key);
    if (!has_rank)
      throw usage_error("{}: {} is set, but lora.rank is 0, so there are no adapters; set lora.rank, or remove it",
                        name, key);
  }
  if ((continues || has_rank) && configuration.model.initialize)
    throw usage_error("{}: a model from nothing (model.initialize) has nothing that adapters could change; keep one",
                      name);
  for (const PhaseConfig& phase : configuration.tuning.phases)
    if (phase.merge_adapters && !continues && !has_rank)
      throw usage_error("{}: a phase of tuning.phases has merge_adapters, but there are none; set lora.rank", name);
  for (const double layer : configuration.lora.layers)
    if (layer != std::floor(layer)) throw usage_error("{}: lora.layers has {}, expected whole numbers", name, layer);
  for (const auto& [pattern, alpha] : configuration.lora.alpha_pattern)
    if (!(alpha > 0.0))
      throw usage_error("{}: lora.alpha_pattern has {} for {}, expected a number above 0, with which the module learns",
                        name, alpha, pattern);
  if (!configuration.lora.layers_pattern.empty() && configuration.lora.layers.empty())
    throw usage_error(
        "{}: lora.layers_pattern says where the numbers of lora.layers stand, but there are none; set "
        "lora.layers, or remove it",
        name);
  if (!configuration.lora.layers.empty() && !configuration.lora.targets.listed)
    throw usage_error("{}: lora.layers counts for an array of lora.targets alone; name modules in an array", name);
}

void check_whole(Configuration& configuration, const std::string& name) {
  for (const ConfigurationKey& key : configuration_keys())
    if (key.required && is_empty(key.target(configuration)))
      throw usage_error("{}: {} is missing: {}{}", name, key.full_name(),
                        static_cast<char>(std::tolower(static_cast<unsigned char>(key.help.front()))),
                        key.help.substr(1));
  if (configuration.output.dir.empty()) throw usage_error("{}: output.dir is empty; name a folder for the run", name);
  check_columns(configuration, name);
  check_images(configuration, name);
  if (!configuration.train.class_weight_values.empty() && configuration.train.class_weights != "none")
    throw usage_error("{}: train.class_weights and train.class_weight_values exclude each other; keep one", name);
  if (!configuration.data.validation.empty() && configuration.data.validation_fraction > 0)
    throw usage_error("{}: data.validation and data.validation_fraction exclude each other; keep one", name);
  if (const DataSection& data = configuration.data;
      !data.train_weights.empty() && data.train_weights.size() != data.train.values.size())
    throw usage_error("{}: data.train_weights has {}, but data.train names {}; give each of them one", name,
                      counted(data.train_weights.size(), "weight"), data.train.values.size());
  check_adapters(configuration, name);
  check_hyper_parameters(configuration, name);
  const auto& phases = configuration.tuning.phases;
  if (!phases.empty() && !configuration.tuning.freeze.empty())
    throw usage_error("{}: tuning.freeze and tuning.phases exclude each other; each phase has its own freeze", name);
  for (std::size_t i = 0; i + 1 < phases.size(); ++i)
    if (phases[i].epochs == 0 && phases[i].steps == 0 && phases[i].fraction == 0)
      throw usage_error("{}: phase {} of tuning.phases has no end; give it epochs, steps or fraction", name, i + 1);
}

}  // namespace

Configuration parse_configuration(std::string_view toml, const std::string& name,
                                  std::span<const std::string> overrides) {
  Configuration configuration;
  GivenKeys given;
  apply_table(parse_toml(toml, name), name, configuration, given);
  for (const std::string& text : overrides) apply_override(text, configuration, given);
  apply_rule_defaults(configuration, given);
  check_whole(configuration, name);
  return configuration;
}

Configuration read_configuration(const std::filesystem::path& file, std::span<const std::string> overrides) {
  return parse_configuration(read_text_file(file), file.string(), overrides);
}

}  // namespace temper
