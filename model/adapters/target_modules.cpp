#include "model/adapters/target_modules.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/name_list.h"
#include "base/nearest_name.h"
#include "model/adapters/python_pattern.h"

namespace temper {
namespace {

bool ends_with_path(std::string_view name, std::string_view end) {
  return name == end || (name.size() > end.size() && name.ends_with(end) && name[name.size() - end.size() - 1] == '.');
}

/// A list of names, or an expression, ready to be asked.
class NameMatcher {
 public:
  NameMatcher(const ModuleNames& names, const std::string& place) : names_(names) {
    if (names.is_pattern && !names.empty()) pattern_.emplace(names.names.front(), place);
  }
  [[nodiscard]] bool matches(const std::string& name) const {
    if (pattern_) return pattern_->matches_whole(name);
    return std::any_of(names_.names.begin(), names_.names.end(),
                       [&](const std::string& end) { return ends_with_path(name, end); });
  }

 private:
  const ModuleNames& names_;
  std::optional<PythonPattern> pattern_;
};

bool is_number(std::string_view part) {
  return !part.empty() && part.size() < 10 &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// The number of the layer that a module lies in: the first of its path with two parts before it and one behind, or
/// the first behind one of these names.
std::optional<std::int64_t> layer_of(const std::string& module, const std::vector<std::string>& names) {
  std::size_t begin = 0;
  for (std::size_t parts = 0; begin < module.size(); ++parts) {
    const std::size_t dot = module.find('.', begin);
    if (dot == std::string::npos) return std::nullopt;
    const std::string_view before = begin > 0 ? std::string_view(module).substr(0, begin - 1) : std::string_view();
    const bool fits =
        names.empty() ? parts >= 2 : std::any_of(names.begin(), names.end(), [&](const std::string& name) {
          return ends_with_path(before, name);
        });
    const std::string_view part = std::string_view(module).substr(begin, dot - begin);
    if (fits && is_number(part)) return std::stoll(std::string(part));
    begin = dot + 1;
  }
  return std::nullopt;
}

bool is_in_layers(const LoraSettings& settings, const std::string& module) {
  if (settings.layers.empty() || settings.targets.is_pattern || settings.preset != TargetPreset::none) return true;
  const std::optional<std::int64_t> number = layer_of(module, settings.layers_pattern);
  return number && std::find(settings.layers.begin(), settings.layers.end(), *number) != settings.layers.end();
}

/// A module that is trained in full, or lies in one, has no adapter.
bool lies_in_saved(const LoraSettings& settings, const std::string& module) {
  return is_saved_whole(settings, module + ".weight");
}

bool is_in_preset(TargetPreset preset, const FileModule& module) {
  if (module.kind() != AdaptableModule::Kind::linear) return false;
  switch (preset) {
    case TargetPreset::attention:
      return module.part() == ModulePart::attention;
    case TargetPreset::mlp:
      return module.part() == ModulePart::feed_forward;
    case TargetPreset::all_linear:
      return module.part() != ModulePart::output;
    case TargetPreset::none:
      break;
  }
  return false;
}

/// The last parts of the modules' paths, as users name them.
std::vector<std::string> short_names(const std::vector<FileModule>& modules) {
  std::set<std::string> names;
  for (const FileModule& module : modules) names.insert(module.name.substr(module.name.rfind('.') + 1));
  return {names.begin(), names.end()};
}

std::vector<std::string> names_of_modules(const std::vector<FileModule>& modules) {
  std::vector<std::string> names;
  for (const FileModule& module : modules) names.push_back(module.name);
  return names;
}

/// A pattern of a table matches the whole path of a module, or what is left of it behind a dot.
PythonPattern pattern_of_table(const std::string& pattern, const std::string& place) {
  return {"(.*\\.)?(" + pattern + ")", place};
}

[[noreturn]] void refuse_unused(const char* key, const std::string& entry, const char* fits_no,
                                const std::vector<std::string>& names) {
  std::set<std::string> ends;
  for (const std::string& name : names) ends.insert(name.substr(name.rfind('.') + 1));
  const std::vector<std::string> known(ends.begin(), ends.end());
  const std::string nearest = nearest_name(entry, known);
  throw usage_error("{}: '{}' fits {}{}, so it would change nothing; correct or remove it (modules are {})", key, entry,
                    fits_no, nearest.empty() || nearest == entry ? "" : ": did you mean '" + nearest + "'?",
                    name_list(known));
}

/// Throws a usage Error for an exception, a layer or a pattern of a table that fits nothing. `all`: modules of the
/// model, `chosen`: those that get adapters.
void require_used_settings(const LoraSettings& settings, const std::vector<std::string>& all,
                           const std::vector<FileModule>& chosen) {
  const auto fits_any = [](const std::vector<std::string>& names, const auto& fits) {
    return std::any_of(names.begin(), names.end(), fits);
  };
  if (settings.excluded.is_pattern) {
    const NameMatcher excluded(settings.excluded, "lora.exclude");
    if (!settings.excluded.empty() && !fits_any(all, [&](const std::string& name) { return excluded.matches(name); }))
      refuse_unused("lora.exclude", settings.excluded.names.front(), "the whole path of no module of this model", all);
  } else {
    for (const std::string& end : settings.excluded.names)
      if (!fits_any(all, [&](const std::string& name) { return ends_with_path(name, end); }))
        refuse_unused("lora.exclude", end, "no module of this model", all);
  }
  const std::vector<std::string> adapted = names_of_modules(chosen);
  for (const auto& [key, table] : {std::pair("lora.rank_pattern", &settings.rank_pattern),
                                   std::pair("lora.alpha_pattern", &settings.alpha_pattern)})
    for (const auto& [pattern, value] : *table) {
      const PythonPattern matcher = pattern_of_table(pattern, key);
      if (!fits_any(adapted, [&](const std::string& name) { return matcher.matches_whole(name); }))
        refuse_unused(key, pattern, "no module that has an adapter", adapted);
    }
  for (const std::int64_t layer : settings.layers)
    if (!fits_any(adapted, [&](const std::string& name) { return layer_of(name, settings.layers_pattern) == layer; }))
      throw usage_error("lora.layers: {} is the number of no layer with such modules; correct or remove it", layer);
}

[[noreturn]] void refuse_name(const Model& model, const std::vector<FileModule>& modules, const std::string& name,
                              const std::string& place) {
  for (const Parameter& parameter : model.parameters().all()) {
    const std::string stored = model.names().forms_of(parameter).front().name;
    if (!ends_with_path(stored.substr(0, stored.rfind('.')), name)) continue;
    throw usage_error("{}: '{}' is neither a linear layer nor a table of words, and has no adapter; adapters go to {}",
                      place, name, name_list(short_names(modules)));
  }
  const auto& unread = model.names().unread;
  if (std::find(unread.begin(), unread.end(), name + ".weight") != unread.end())
    throw usage_error(
        "{}: '{}' is tied to the embeddings in this model, and an adapter of it would leave these behind; leave it out",
        place, name);
  const std::vector<std::string> known = short_names(modules);
  const std::string nearest = nearest_name(name, known);
  throw usage_error("{}: '{}' fits no module of this model{}; adapters go to {}", place, name,
                    nearest.empty() ? "" : ": did you mean '" + nearest + "'?", name_list(known));
}

/// "an empty list", "the expression 'q_.*'" or names.
std::string in_words(const ModuleNames& names) {
  if (names.empty()) return "an empty list";
  return names.is_pattern ? fmt::format("the expression '{}'", names.names.front()) : name_list(names.names);
}

}  // namespace

double LoraSettings::scale(double alpha_of_module, std::int64_t rank_of_module) const {
  const auto ranks = static_cast<double>(rank_of_module);
  return alpha_of_module / (rslora ? std::sqrt(ranks) : ranks);
}

std::vector<FileModule> file_modules(const Model& model) {
  std::vector<FileModule> modules;
  for (const std::shared_ptr<AdaptableModule>& layer : model.parameters().modules()) {
    const std::string weight = layer->name + ".weight";
    const Parameter* parameter = model.parameters().find(weight);
    StoredForm form = model.names().forms_of(*parameter).front();
    const std::string name = form.name.substr(0, form.name.rfind('.'));
    const auto known =
        std::find_if(modules.begin(), modules.end(), [&](const FileModule& module) { return module.name == name; });
    FileModule& module = known == modules.end() ? modules.emplace_back(FileModule{name, {}}) : *known;
    module.layers.push_back({layer, weight, std::move(form)});
  }
  return modules;
}

std::vector<FileModule> target_modules(const Model& model, const LoraSettings& settings, const std::string& place) {
  std::vector<FileModule> all = file_modules(model);
  const NameMatcher targets(settings.targets, place);
  const NameMatcher excluded(settings.excluded, place);
  const bool by_list = settings.preset == TargetPreset::none && !settings.targets.is_pattern;
  if (by_list)
    for (const std::string& name : settings.targets.names)
      if (std::none_of(all.begin(), all.end(), [&](const FileModule& m) { return ends_with_path(m.name, name); }))
        refuse_name(model, all, name, place);
  std::vector<FileModule> chosen;
  for (FileModule& module : all) {
    const bool named =
        settings.preset == TargetPreset::none ? targets.matches(module.name) : is_in_preset(settings.preset, module);
    if (named && !excluded.matches(module.name) && !lies_in_saved(settings, module.name) &&
        is_in_layers(settings, module.name))
      chosen.push_back(std::move(module));
  }
  if (!chosen.empty()) {
    // Of a folder, the weights tell whether it fits; what PEFT wrote beside them may name more than it used.
    if (settings.peft_config.empty()) require_used_settings(settings, names_of_modules(file_modules(model)), chosen);
    return chosen;
  }
  const bool is_a_name =
      settings.targets.is_pattern && !all.empty() && std::any_of(all.begin(), all.end(), [&](const FileModule& m) {
        return ends_with_path(m.name, settings.targets.names.front());
      });
  if (is_a_name)
    throw usage_error(
        "{}: the expression '{}' matches the whole path of no module; to name modules by the end of their path, write "
        "a list: [\"{}\"]",
        place, settings.targets.names.front(), settings.targets.names.front());
  const std::string named = settings.preset == TargetPreset::none ? fmt::format("{} ", in_words(settings.targets)) : "";
  throw usage_error("{}: {}fits no module of this model{}; adapters go to {}", place, named,
                    settings.layers.empty() && settings.excluded.empty() ? "" : " with these layers and exceptions",
                    name_list(short_names(file_modules(model))));
}

bool is_saved_whole(const LoraSettings& settings, const std::string& stored_name) {
  // As PEFT has it, the end of a path need not be whole parts: "classifier" is "pre_classifier", too.
  return std::any_of(settings.modules_to_save.begin(), settings.modules_to_save.end(), [&](const std::string& saved) {
    for (std::size_t end = stored_name.find('.'); end != std::string::npos; end = stored_name.find('.', end + 1))
      if (std::string_view(stored_name).substr(0, end).ends_with(saved)) return true;
    return false;
  });
}

double value_for(const std::vector<std::pair<std::string, double>>& patterns, const std::string& module,
                 double otherwise, const std::string& place) {
  for (const auto& [pattern, value] : patterns)
    if (pattern_of_table(pattern, place).matches_whole(module)) return value;
  return otherwise;
}

}  // namespace temper
