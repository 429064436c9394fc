#include "runtime/inputs/table_use.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/name_list.h"

namespace temper {
namespace {

constexpr const char* kDefaultText = "text";
constexpr const char* kDefaultLabel = "label";

/// Collects what differs from the training, for one line.
class Differences {
 public:
  template <typename T>
  void note(std::string_view what, const T& now, const std::optional<T>& trained, std::string_view option) {
    if (trained && !(now == *trained))
      add(fmt::format("{} {} instead of {} ({})", what, shown(now), shown(*trained), option));
  }
  void add(const std::string& difference) { list_.push_back(difference); }
  [[nodiscard]] std::string line() const {
    return list_.empty() ? "" : fmt::format("other than in the model's training: {}", fmt::join(list_, ", "));
  }

 private:
  static std::string shown(const std::string& name) { return name.empty() ? "none" : quoted_name(name); }
  static std::string shown(const std::vector<std::string>& names) { return name_list(names); }
  template <typename T>
  static std::string shown(const T& number) {
    return fmt::format("{}", number);
  }

  std::vector<std::string> list_;
};

}  // namespace

std::string text_column(const TableRequests& requests, const std::optional<TrainedUse>& trained) {
  if (requests.text) return *requests.text;
  return trained && trained->text ? *trained->text : kDefaultText;
}

std::string document_unit(const TableRequests& requests, const std::optional<TrainedUse>& trained) {
  return requests.documents.value_or(trained ? trained->documents.value_or("line") : "line");
}

TableUse resolve(const TableRequests& requests, const std::optional<TrainedUse>& trained, const TaskSpec& task,
                 const Table& table, bool labelled, const std::function<void(const std::string&)>& say) {
  const TrainedUse known = trained.value_or(TrainedUse{});
  TableUse use;
  use.text = text_column(requests, trained);
  if (!requests.text && !has_column(table, use.text) && has_column(table, kDefaultText)) use.text = kDefaultText;

  use.text_pair = requests.text_pair.value_or(known.text_pair.value_or(""));
  if (!requests.text_pair && !use.text_pair.empty() && !has_column(table, use.text_pair))
    throw Error(
        "{}: has no column {}, the second text with which the model was trained; {}or give --text-pair \"\" for single "
        "texts",
        table.path.string(), quoted_name(use.text_pair),
        table.columns.size() > 1 ? "name its column with --text-pair, " : "name a file with both columns, ");

  if (labelled && has_label_column(task.labels)) {
    use.label = requests.label.empty() ? known.label : requests.label;
    use.label_listed = requests.label.empty() ? known.label_listed : requests.label.size() > 1;
    const bool lacks = use.label.size() == 1 && !use.label_listed && !has_column(table, use.label.front());
    if (use.label.empty() || (requests.label.empty() && lacks && has_column(table, kDefaultLabel)))
      use.label = {kDefaultLabel};
  }
  use.max_length = requests.max_length.value_or(known.max_length.value_or(use.max_length));
  use.threshold = requests.threshold.value_or(known.threshold.value_or(use.threshold));
  use.stride = requests.stride;
  use.pack = known.pack.value_or(use.pack);
  use.long_documents = known.long_documents.value_or(use.long_documents);
  use.end_token = known.end_token.value_or(use.end_token);
  use.masking_seed = known.masking_seed.value_or(0);

  Differences differences;
  differences.note("text column", use.text, known.text, "--text");
  differences.note("second text", use.text_pair, known.text_pair, "--text-pair");
  if (labelled && has_label_column(task.labels) && !known.label.empty())
    differences.note("label column", use.label, std::optional(known.label), "--label");
  differences.note("tokens per row", use.max_length, known.max_length, "--max-length");
  if (task.labels == LabelKind::multi_label)
    differences.note("threshold", use.threshold, known.threshold, "--threshold");
  if (const std::string line = differences.line(); !line.empty()) say(line);
  return use;
}

}  // namespace temper
