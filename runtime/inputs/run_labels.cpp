#include "runtime/inputs/run_labels.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/name_list.h"
#include "data/tables/conversation_reader.h"
#include "data/tables/look_alikes.h"
#include "runtime/inputs/chat_data.h"

namespace temper {
namespace {

/// LABEL_0, LABEL_1, ... are what transformers calls labels without names.
bool are_placeholders(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] != fmt::format("LABEL_{}", i)) return false;
  return true;
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

/// Whether the names are the numbers 0 to `count` - 1, also written 0.0 and so on.
bool are_ids(const std::vector<std::string>& names, std::size_t count) {
  std::vector<bool> found(count);
  for (const std::string& name : names) {
    const std::optional<double> number = parse_number(name);
    if (!number || *number < 0.0 || *number >= static_cast<double>(count)) return false;
    const auto id = static_cast<std::size_t>(*number);
    if (static_cast<double>(id) != *number || found[id]) return false;
    found[id] = true;
  }
  return names.size() == count;
}

/// The names in the order of those of the model that look like them; nothing if these are others.
std::optional<std::vector<std::string>> in_order_of(const std::vector<std::string>& model_labels,
                                                    const std::vector<std::string>& names) {
  if (model_labels.size() != names.size()) return std::nullopt;
  std::vector<std::string> ordered;
  for (const std::string& model_label : model_labels) {
    const std::string appearance = appearance_of(model_label);
    std::vector<std::string> alike;
    for (const std::string& name : names)
      if (appearance_of(name) == appearance) alike.push_back(name);
    if (alike.size() != 1) return std::nullopt;
    ordered.push_back(alike.front());
  }
  // Two of the model that look alike would have taken the same name.
  return sorted(ordered) == sorted(names) ? std::optional(ordered) : std::nullopt;
}

LabelSet labels_of_data(LabelSet collected, const std::vector<std::string>& model_labels) {
  if (model_labels.empty() || are_placeholders(model_labels)) return collected;
  const std::vector<std::string>& names = collected.names();
  const bool model_has_numbers = std::any_of(model_labels.begin(), model_labels.end(),
                                             [](const std::string& name) { return parse_number(name).has_value(); });
  if (sorted(names) == sorted(model_labels)) return LabelSet::from_names(model_labels);
  if (!model_has_numbers && are_ids(names, model_labels.size())) return LabelSet::from_names(model_labels);
  if (auto ordered = in_order_of(model_labels, names)) return LabelSet::from_names(*std::move(ordered));
  return collected;
}

/// "data.labels = [...]"; of many names, where they are listed.
std::string setting_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 20;
  if (names.size() > kShown)
    return fmt::format("data.labels to the {} names that config.json lists in id2label, in their order", names.size());
  std::string out;
  for (const std::string& name : names) {
    out += out.empty() ? "\"" : ", \"";
    for (const char c : name) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return "data.labels = [" + out + "]";
}

}  // namespace

ColumnChoice columns_of(const DataSection& data, const TaskSpec& task) {
  if (reads_conversations(data) && takes_conversations(task.labels)) return ColumnChoice{kConversationColumn};
  ColumnChoice columns{data.text, data.text_pair};
  if (is_of_images(task.head)) columns = ColumnChoice{data.image};
  if (!has_label_column(task.labels)) return columns;
  if (data.label.listed) {
    columns.indicators = data.label.values;
  } else {
    columns.label = data.label.text();
  }
  return columns;
}

bool needs_collected_labels(const DataSection& data, const TaskSpec& task) {
  return data.labels.empty() && has_names(task.labels);
}

LabelSet choose_labels(const DataSection& data, const TaskSpec& task, const std::filesystem::path& train,
                       const LabelCollector* collected, const std::vector<std::string>& model_labels) {
  if (!has_names(task.labels)) return LabelSet::from_names({});
  LabelSet labels = data.labels.empty()
                        ? labels_of_data(collected != nullptr ? collected->labels() : LabelSet(), model_labels)
                        : LabelSet::from_names(data.labels);
  if (task.labels == LabelKind::single_class && labels.size() < 2) {
    const std::string& only = labels.names().front();
    if (!data.labels.empty())
      throw usage_error("data.labels has {} alone, but a classification needs two or more classes", quoted_name(only));
    if (data.label.listed)
      throw usage_error(
          "data.label lists the column {} alone, but a classification needs two or more classes, one column "
          "each; model.task = \"multi-label\" takes one, and data.label = {} is a column of names",
          quoted_name(only), quoted_name(only));
    std::string remedy = labels_that_keep_head(labels, model_labels);
    if (remedy.empty()) remedy = fmt::format("data.labels = [{}, \"...\"]", quoted_name(only));
    throw Error(
        "{}: all rows have the label {} in column {}, but a classification needs two or more classes; if others "
        "are to come, name them all: {}",
        train.string(), quoted_name(only), quoted_name(data.label.text()), remedy);
  }
  return labels;
}

std::string labels_that_keep_head(const LabelSet& labels, const std::vector<std::string>& model_labels) {
  if (model_labels.size() <= labels.size()) return {};
  const LabelSet known = LabelSet::from_names(model_labels);
  for (const std::string& name : labels.names())
    if (!known.id_of(name)) return {};
  return setting_of(model_labels);
}

}  // namespace temper
