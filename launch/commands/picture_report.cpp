#include "launch/commands/picture_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "data/diagnostics.h"
#include "data/images/colour.h"
#include "data/images/contact_sheet.h"
#include "data/images/picture_table.h"
#include "data/images/seen_picture.h"
#include "data/pictures/png_writer.h"
#include "data/tables/table_reader.h"
#include "launch/commands/table_report.h"
#include "model/architectures/model_config.h"
#include "runtime/config/config.h"
#include "runtime/environment/node_cores.h"
#include "runtime/inputs/image_data.h"
#include "runtime/inputs/trained_use.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kEpochsShown = 2;
constexpr std::int64_t kSideWithoutModel = 224;

/// The configuration of a run; or of a file that has no more of one than what is asked of it here.
Configuration augmenting_configuration(const std::string& file) {
  std::string text(MappedFile(file).text());
  std::istringstream lines(text);
  bool whole = false;
  for (std::string line; std::getline(lines, line);) whole = whole || line.starts_with("[model]");
  if (!whole)
    text += "\n[model]\npath = \"-\"\ntask = \"image-classification\"\n[data]\ntrain = \"-\"\n[output]\ndir = \"-\"\n";
  return parse_configuration(text, file, {});
}

/// How pictures are read, and in which ways they are shown.
struct Views {
  ImageReading reading;
  bool as_seen = false;  ///< by a model, in evaluation
  bool distorted = false;
};

/// How files are read: as is asked for, else as the configuration that augments says, else as in the model's training.
void take_reading(const PictureQuestion& question, const std::string& folder, ImagesSection& section) {
  ImageUse use{section.frame, section.axis, section.slice, section.window, section.most_megapixels};
  if (question.augment.empty() && !folder.empty())
    if (const std::optional<TrainedUse> trained = read_trained_use(folder); trained && trained->images)
      use = *trained->images;
  use = with_requests(std::move(use), question.requests);
  section.frame = use.frame;
  section.axis = use.axis;
  section.slice = use.slice;
  section.window = use.window;
  section.most_megapixels = use.most_megapixels;
}

Views views_of(const PictureQuestion& question, int threads) {
  Views views;
  Configuration configuration;
  if (!question.augment.empty()) configuration = augmenting_configuration(question.augment);
  if (!question.augment.empty() && !reads_images(configuration))
    throw usage_error("{}: is a configuration for {}, whose rows are texts; name one of images", question.augment,
                      configuration.model.task);
  std::string folder = question.model;
  std::error_code absent;
  if (folder.empty() &&
      std::filesystem::exists(std::filesystem::path(configuration.model.path) / "config.json", absent))
    folder = configuration.model.path;
  ModelConfig model;
  std::optional<ImageProcessor> processor;
  if (!folder.empty()) {
    model = read_model_config(folder);
    if (!model.reads_images())
      throw usage_error("{}: is a model of texts (type {}), which sees no pictures; name a model of images", folder,
                        model.model_type);
    processor = image_processor_of(model, configuration.images.size);
  } else {
    model.images.channels = 3;
    model.images.tokens = [](ImageExtent) { return std::int64_t{1}; };
    processor.emplace();
    processor->set_extent({kSideWithoutModel, kSideWithoutModel});
  }
  views.distorted = !question.augment.empty();
  views.as_seen = !folder.empty();
  take_reading(question, folder, configuration.images);
  views.reading = image_reading(configuration, model, *processor, threads, views.distorted);
  if (views.distorted && !views.reading.augmentation.changes_pictures() && !views.reading.augmentation.mixes())
    throw usage_error("{}: its [augment] changes nothing, so there is nothing to show; leave --augment out",
                      question.augment);
  // Those are findings, and none is shown; another picture can be mixed with one.
  views.reading.skips_unreadable = true;
  return views;
}

/// What a table says of its rows: labels as they are written.
struct Labelled {
  ImageRows images;
  std::vector<std::string> labels;  ///< [rows], or empty
  std::map<std::string, std::int64_t> counts;
};

Labelled labelled_rows(const TableSource& table, const PictureQuestion& question) {
  Labelled found;
  found.images = read_image_rows(table, ColumnChoice{question.image}, nullptr, LabelKind::none, "");
  std::vector<std::size_t> columns;
  for (const std::string& name : question.label)
    if (has_column(table.head(), name)) columns.push_back(column_index(table.head(), name));
  if (columns.empty()) return found;
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    for (const std::vector<std::string>& row : chunk.rows) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const std::string& field = row[columns[i]];
        if (columns.size() == 1) {
          names.push_back(field);
        } else if (field == "1" || field == "1.0" || field == "true") {
          names.push_back(question.label[i]);
        }
      }
      for (const std::string& name : names) ++found.counts[name];
      found.labels.push_back(fmt::format("{}", fmt::join(names, ", ")));
    }
    return true;
  });
  return found;
}

/// Pictures that occur more than once, byte by byte, and those of them that have different labels.
std::vector<Finding> repeated(const Labelled& rows, const std::vector<std::uint64_t>& digests) {
  const RepeatedPictures found = repeated_pictures(rows.images.files, digests);
  std::unordered_map<std::uint64_t, std::size_t> first;
  std::int64_t differing = 0;
  std::string example;
  for (std::size_t row = 0; row < digests.size(); ++row) {
    const auto [known, is_new] = first.emplace(digests[row], row);
    if (is_new || rows.labels.empty() || rows.labels[row] == rows.labels[known->second] || differing++ > 0) continue;
    example =
        fmt::format("{} is {}, {} is {}", rows.images.files[known->second], quoted_name(rows.labels[known->second]),
                    rows.images.files[row], quoted_name(rows.labels[row]));
  }
  std::vector<Finding> findings;
  if (found.again > 0)
    findings.push_back({Severity::note, "duplicates",
                        fmt::format("{} {} there before, byte by byte ({})", counted(found.again, "picture"),
                                    found.again == 1 ? "is" : "are", found.example),
                        static_cast<double>(found.again)});
  if (differing > 0)
    findings.push_back({Severity::warning, "conflicting_labels",
                        fmt::format("{} there before with another label, which training refuses: {}",
                                    counted(differing, "picture") + (differing == 1 ? " is" : " are"), example),
                        static_cast<double>(differing)});
  return findings;
}

/// How many cannot be read, and the first of them by name. Throws Error where there are no others.
std::vector<Finding> unreadable(const LookedAtImages& looked_at, std::int64_t rows) {
  constexpr std::size_t kNamed = 5;
  const auto count = static_cast<std::int64_t>(looked_at.unreadable.size());
  if (count == 0) return {};
  if (count == rows)
    throw Error("{}{}",
                rows == 1 ? "" : fmt::format("none of {} can be read, and of the first: ", counted(rows, "picture")),
                looked_at.reasons.front());
  std::vector<Finding> findings{
      {Severity::warning, "unreadable",
       fmt::format("{} of {} cannot be read, which ends a training (images.unreadable = \"skip\" goes on without)",
                   count, counted(rows, "picture")),
       static_cast<double>(count)}};
  for (std::size_t i = 0; i < std::min(looked_at.reasons.size(), kNamed); ++i)
    findings.push_back({Severity::warning, "unreadable", looked_at.reasons[i], 1.0});
  return findings;
}

std::vector<std::string> words_of(const Labelled& rows, std::size_t row) {
  std::vector<std::string> words;
  if (!rows.labels.empty()) words.push_back(rows.labels[row].empty() ? "(no label)" : rows.labels[row]);
  words.push_back(std::filesystem::path(rows.images.files[row]).filename().string());
  return words;
}

/// The row as a batch of that epoch has it.
Picture in_epoch(const ImageSource& images, std::int64_t row, std::int64_t epoch, const ImageReading& reading) {
  const Batch batch = images.read(std::vector<std::int64_t>{row}, epoch);
  return seen_picture(std::get<Pixels>(batch.content).values, images.image_extent(), reading.channels,
                      reading.processor);
}

Picture sheet_of(const Labelled& rows, const std::vector<std::int64_t>& readable, const Views& views,
                 const PictureQuestion& question) {
  const ImageSource images(rows.images, views.reading);
  const std::int64_t all = static_cast<std::int64_t>(readable.size());
  const std::int64_t count = std::min(question.rows, all);
  ContactSheetLayout layout;
  layout.columns = std::min<std::int64_t>(count, views.distorted ? 8 : 6);
  layout.title = fmt::format("{}: {} of {}", question.path, count, counted(images.rows(), "picture"));
  if (all < images.rows()) layout.title += fmt::format(", {} cannot be read", images.rows() - all);
  if (views.as_seen || views.distorted) {
    layout.row_names.emplace_back("stored");
    if (views.as_seen) layout.row_names.emplace_back("seen");
    for (std::int64_t epoch = 0; views.distorted && epoch < kEpochsShown; ++epoch)
      layout.row_names.push_back(fmt::format("epoch {}", epoch));
  }
  const auto cell_of = [&](std::int64_t row) {
    ContactSheetCell cell{{byte_picture(*images.picture(row))}, words_of(rows, static_cast<std::size_t>(row))};
    if (views.as_seen) cell.pictures.push_back(in_epoch(images, row, kEvaluationEpoch, views.reading));
    for (std::int64_t epoch = 0; views.distorted && epoch < kEpochsShown; ++epoch)
      cell.pictures.push_back(in_epoch(images, row, epoch, views.reading));
    return cell;
  };
  std::vector<ContactSheetCell> cells;
  for (std::int64_t i = 0; i < count; ++i)
    cells.push_back(cell_of(readable[static_cast<std::size_t>(all * i / count)]));
  return contact_sheet(cells, layout);
}

}  // namespace

Json inspect_pictures(const PictureQuestion& question, Communicator& world) {
  const Views views = views_of(question, default_threads(world));
  const std::unique_ptr<TableSource> table = open_picture_tables(
      std::span(&question.path, 1), {question.image, question.label.empty() ? "label" : question.label.front()});
  const Labelled rows = labelled_rows(*table, question);
  std::vector<Finding> findings;
  const LookedAtImages looked_at = look_at_images(rows.images, views.reading, world, LookAt::pixels);
  findings = unreadable(looked_at, rows.images.rows());
  Json json{{"kind", "pictures"}, {"path", question.path}, {"rows", rows.images.rows()}};
  if (world.rank() != 0) return json;
  if (!rows.counts.empty()) json["distinct_labels"] = rows.counts.size();
  std::vector<std::string> names;
  std::vector<std::int64_t> numbers;
  for (const auto& [name, number] : rows.counts) {
    json["label_counts"][name] = number;
    names.push_back(name);
    numbers.push_back(number);
  }
  for (const std::string& sentence : looked_at.survey.sentences()) json["facts"].push_back({{"sentence", sentence}});
  const std::size_t decoded = looked_at.digests.size() - looked_at.unreadable.size();
  json["facts"].push_back({{"sentence", fmt::format("Every file was decoded; {} of {} can be read.", decoded,
                                                    counted(looked_at.digests.size(), "picture"))}});
  for (const std::string& note : unread_picture_notes(std::span(&question.path, 1)))
    findings.push_back({Severity::note, "other_files", note, 1.0});
  const auto tell = [&](const std::vector<Finding>& more) {
    findings.insert(findings.end(), more.begin(), more.end());
  };
  tell(looked_at.survey.findings());
  if (views.as_seen) tell(looked_at.survey.cut_off(views.reading.processor));
  tell(repeated(rows, looked_at.digests));
  if (!names.empty() && question.label.size() == 1) {
    const LabelSet labels = LabelSet::from_names(names);
    tell(diagnose_label_names(labels, LabelKind::single_class));
    tell(diagnose_label_counts(numbers, labels, RareLabelAdvice::class_weights));
  }
  add_findings(findings, json);
  if (!question.sheet.empty()) {
    std::vector<std::int64_t> readable;
    for (std::int64_t row = 0; row < rows.images.rows(); ++row)
      if (!std::binary_search(looked_at.unreadable.begin(), looked_at.unreadable.end(), row)) readable.push_back(row);
    write_png(question.sheet, sheet_of(rows, readable, views, question));
    json["sheet"] = question.sheet;
  }
  return json;
}

}  // namespace temper
