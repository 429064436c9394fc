#include "runtime/inputs/table_use.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/name_list.h"
#include "data/images/picture_table.h"
#include "data/tables/table_reader.h"
#include "runtime/inputs/picture_agreement.h"

namespace temper {
namespace {

constexpr const char* kDefaultText = "text";
constexpr const char* kDefaultLabel = "label";
constexpr const char* kDefaultImage = "image";

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

/// Options that would change nothing.
void refuse_needless_requests(const TableRequests& requests, const TaskSpec& task, const Table& table) {
  const bool of_texts = table.files.empty() ? is_text_file(table.path)
                                            : std::any_of(table.files.begin(), table.files.end(), is_text_file);
  if (requests.documents && !of_texts)
    throw usage_error("{}: is no .txt file, of which --documents says what a row is; leave the option out",
                      table.path.string());
  const std::array<std::pair<bool, const char*>, 2> of_texts_alone{
      {{requests.max_length.has_value(), "--max-length"}, {requests.text_pair.has_value(), "--text-pair"}}};
  for (const auto& [asked, option] : of_texts_alone)
    if (asked && is_of_images(task.head))
      throw usage_error("{} is for models of texts, but this one is for {}; leave the option out", option, task.name);
  if (requests.views != "none" && !is_of_images(task.head))
    throw usage_error("--views is for models of images, but this one is for {}; leave the option out", task.name);
  if (requests.pictures.any() && !is_of_images(task.head))
    throw usage_error(
        "--frame, --slice, --window, --most-megapixels and --skip-unreadable are for models of images, but this one is "
        "for {}; leave the option out",
        task.name);
  if (requests.stride && task.labels != LabelKind::next_token)
    throw usage_error("--stride is for models for causal-lm, but this one is for {}; leave the option out", task.name);
  if (requests.resamples && task.labels != LabelKind::single_class && task.labels != LabelKind::multi_label)
    throw usage_error(
        "--resamples is for models that give rows classes or labels, but this one is for {}; leave the "
        "option out",
        task.name);
  if (!requests.label.empty() && !has_label_column(task.labels))
    throw usage_error("--label is for models that were trained on labels, but this one is for {}; leave the option out",
                      task.name);
  if (requests.group && !is_of_images(task.head))
    throw usage_error("--group is for models of images, but this one is for {}; leave the option out", task.name);
  if (requests.threshold && task.labels != LabelKind::multi_label)
    throw usage_error("--threshold is for models for multi-label, but this one is for {}; leave the option out",
                      task.name);
}

/// Tokens of a row, and between windows of running text. Says what of them the user would not expect.
void choose_lengths(const TableRequests& requests, const TrainedUse& known, const TaskSpec& task,
                    std::int64_t positions, const std::function<void(const std::string&)>& say, TableUse& use) {
  const bool is_running_text = task.labels == LabelKind::next_token && !known.conversations;
  const std::int64_t wanted = requests.max_length.value_or(known.max_length.value_or(use.max_length));
  use.max_length = std::min(wanted, positions);
  if (requests.max_length && wanted > positions)
    say(fmt::format("--max-length is {}, but the model has positions for {}: longer rows are {}", wanted, positions,
                    is_running_text ? "measured in pieces of so many" : "cut off there"));
  if (is_running_text && !requests.max_length && !known.max_length && use.max_length < positions)
    say(fmt::format(
        "texts are measured in pieces of {} tokens at most, and the model takes {}; --max-length changes it",
        use.max_length, positions));
  if (requests.stride && *requests.stride > use.max_length)
    throw usage_error("--stride is {}, more than the {} tokens of a window ({}); lower it", *requests.stride,
                      use.max_length, wanted > positions ? "the model's positions" : "--max-length");
  const std::int64_t trained_stride = known.stride.value_or(0);
  use.stride = requests.stride.value_or(trained_stride > use.max_length ? 0 : trained_stride);
}

}  // namespace

std::string text_column(const TableRequests& requests, const std::optional<TrainedUse>& trained, const TaskSpec& task) {
  if (requests.text) return *requests.text;
  return trained && trained->text ? *trained->text : is_of_images(task.head) ? kDefaultImage : kDefaultText;
}

std::unique_ptr<TableSource> open_rows(std::span<const std::string> names, const TableRequests& requests,
                                       const std::optional<TrainedUse>& trained, const TaskSpec& task, TextUnit unit,
                                       Communicator& communicator) {
  if (!is_of_images(task.head)) return open_tables(files_named(names), unit);
  PictureColumns columns{text_column(requests, trained, task), kDefaultLabel};
  if (!requests.label.empty()) {
    columns.label = requests.label.front();
  } else if (trained && !trained->label.empty()) {
    columns.label = trained->label.front();
  }
  std::unique_ptr<TableSource> table = open_picture_tables(names, columns);
  require_same_pictures(*table, communicator);
  return table;
}

std::vector<std::filesystem::path> files_of_rows(const std::string& name) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(name, ignored);
  if (is_picture_file(name) || (is_folder && !holds_text_files(name))) return {name};
  return files_named(std::span(&name, 1));
}

std::vector<std::filesystem::path> files_of_rows(std::span<const std::string> names) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : names) {
    const std::vector<std::filesystem::path> named = files_of_rows(name);
    files.insert(files.end(), named.begin(), named.end());
  }
  return files;
}

std::vector<std::string> unread_row_notes(std::span<const std::string> names, const TaskSpec& task) {
  return is_of_images(task.head) ? unread_picture_notes(names) : unread_file_notes(names);
}

std::string document_unit(const TableRequests& requests, const std::optional<TrainedUse>& trained) {
  return requests.documents.value_or(trained ? trained->documents.value_or("line") : "line");
}

TableUse resolve(const TableRequests& requests, const std::optional<TrainedUse>& trained, const TaskSpec& task,
                 std::int64_t positions, const Table& table, bool labelled,
                 const std::function<void(const std::string&)>& say) {
  const TrainedUse known = trained.value_or(TrainedUse{});
  TableUse use;
  use.text = text_column(requests, trained, task);
  const char* other = is_of_images(task.head) ? kDefaultImage : kDefaultText;
  if (!requests.text && !has_column(table, use.text) && has_column(table, other)) use.text = other;
  use.images = known.images;
  if (requests.pictures.reading()) use.images = with_requests(known.images.value_or(ImageUse{}), requests.pictures);
  use.skip_unreadable = requests.pictures.skip_unreadable;
  use.views = test_time_views(requests.views);

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
  refuse_needless_requests(requests, task, table);
  choose_lengths(requests, known, task, positions, say, use);
  use.threshold = requests.threshold.value_or(known.threshold.value_or(use.threshold));
  use.pack = known.pack.value_or(use.pack);
  use.long_documents = known.long_documents.value_or(use.long_documents);
  use.end_token = known.end_token.value_or(use.end_token);
  use.conversations = known.conversations;
  use.masking_seed = known.masking_seed.value_or(0);
  // Whoever reads figures of a model that was judged with intervals wants them.
  constexpr std::int64_t kUsualResamples = 1000;
  use.resamples = requests.resamples.value_or(known.calibration ? kUsualResamples : 0);
  use.resample_seed = requests.resample_seed;
  // Nothing but intervals goes by groups here.
  const bool has_intervals = labelled && use.resamples > 0;
  if (requests.group && !requests.group->empty() && !has_intervals)
    throw usage_error(
        "--group names what intervals are drawn by, but none are computed; give --resamples, or leave the option out");
  const std::string group = requests.group.value_or(known.group.value_or(""));
  if (has_intervals && (requests.group || has_column(table, group))) use.group = group;

  Differences differences;
  differences.note(is_of_images(task.head) ? "column of pictures" : "text column", use.text, known.text, "--text");
  differences.note("second text", use.text_pair, known.text_pair, "--text-pair");
  if (labelled && has_label_column(task.labels) && !known.label.empty())
    differences.note("label column", use.label, std::optional(known.label), "--label");
  if (has_intervals && known.group && use.group.empty() && !requests.group)
    differences.add(fmt::format("intervals over rows, since the column {} of groups is missing (--group)",
                                quoted_name(*known.group)));
  else if (has_intervals)
    differences.note("column of groups", use.group, known.group, "--group");
  if (known.max_length) differences.note("tokens per row", use.max_length, known.max_length, "--max-length");
  if (known.stride) differences.note("tokens between windows", use.stride, known.stride, "--stride");
  if (requests.documents) differences.note("rows of .txt files", *requests.documents, known.documents, "--documents");
  if (task.labels == LabelKind::multi_label)
    differences.note("threshold", use.threshold, known.threshold, "--threshold");
  if (known.images && use.images)
    for (const std::string& difference : temper::differences(*known.images, *use.images)) differences.add(difference);
  if (const std::string line = differences.line(); !line.empty()) say(line);
  if (use.views.size() > 1 && known.calibration)
    say(
        fmt::format("--views {}: thresholds and temperature were chosen on pictures as they are, not on averages of "
                    "views, and are used as they stand",
                    requests.views));
  return use;
}

}  // namespace temper
