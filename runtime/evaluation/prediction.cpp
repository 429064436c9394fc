#include "runtime/evaluation/prediction.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/name_list.h"
#include "data/images/image_source.h"
#include "data/images/picture_table.h"
#include "data/text/cut_rows.h"
#include "data/text/row_tokenization.h"
#include "data/text/running_text.h"
#include "data/token_store.h"
#include "runtime/evaluation/document_losses.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/inputs/index_check.h"
#include "runtime/steps/finite_weights.h"
#include "runtime/tasks/prediction_json.h"

namespace temper {
namespace {

constexpr const char* kEmbeddingMember = "embedding";

/// Whether predictions of some task have a member of this name: a kept column is then called otherwise, whatever the
/// model's task, so that it is called the same in all predictions.
bool is_own_member(std::string_view name) {
  const auto has_it = [&](const TaskSpec& task) {
    return std::find(task.predicted_members.begin(), task.predicted_members.end(), name) !=
           task.predicted_members.end();
  };
  return name == "text" || name == "image" || name == kEmbeddingMember ||
         std::any_of(tasks().begin(), tasks().end(), has_it);
}

struct KeptColumn {
  std::size_t index;
  std::string member;
};

std::vector<KeptColumn> kept_columns(const Table& table, const TableUse& use, const PredictionOptions& options) {
  std::vector<std::string> names = options.kept_columns;
  if (options.all_columns)
    for (const std::string& column : table.columns)
      if (column != use.text && std::find(names.begin(), names.end(), column) == names.end()) names.push_back(column);
  std::vector<KeptColumn> kept;
  for (const std::string& name : names) {
    const std::size_t index = column_index(table, name);
    if (name == use.text && name == "text") continue;  // it is there anyway
    KeptColumn column{index, is_own_member(name) ? "input_" + name : name};
    if (std::any_of(kept.begin(), kept.end(), [&](const KeptColumn& other) { return other.member == column.member; }))
      throw Error("{}: two columns would be called {} in the predictions; keep one of them only", table.path.string(),
                  quoted_name(column.member));
    kept.push_back(std::move(column));
  }
  return kept;
}

/// Numbers with the fewest digits that read back as the same f32.
void write_embedding(PredictionJson& json, std::span<const float> embedding) {
  if (embedding.empty()) return;
  PredictionJson& list = json[kEmbeddingMember] = PredictionJson::array();
  for (const float value : embedding) list.push_back(std::strtod(fmt::format("{}", value).c_str(), nullptr));
}

/// One line for each document, however many windows it takes.
PredictedLines predict_documents(FittedModel& fitted, const Table& table, const TableUse& use,
                                 const PredictionOptions& options, Device& device, std::int64_t begin,
                                 std::int64_t end) {
  if (options.embeddings != EmbeddingPooling::none)
    throw usage_error(
        "--embeddings is for models with one output per row, word or mask, but this one is for {}; leave "
        "the option out, or fine-tune it for another task",
        fitted.task().name);
  Configuration configuration;
  configuration.data.end_token = use.end_token;
  configuration.data.long_documents = use.long_documents;
  configuration.data.pack = use.pack == "blocks" ? "documents" : use.pack;
  const std::int64_t length = fitted.max_length(use.max_length);
  const ColumnChoice columns{use.text, use.text_pair, ""};
  const RowReading reading{configuration,   fitted.task(), fitted.tokenizer(), fitted.config(),
                           fitted.labels(), length,        options.threads};
  const TokenizeOptions tokenizing = tokenize_options(reading);
  const TokenStore documents(
      tokenize_rows(table, columns, fitted.tokenizer(), fitted.labels(), tokenizing, begin, end));
  PredictedLines result;
  if (documents.rows() == 0) return result;
  const TokenStore pieces = sequences_of(documents, {TextPacking::documents, length});
  require_token_indices(pieces, index_limits(fitted.config(), fitted.head()), table.path.string());
  const std::int64_t stride = use.stride > 0 ? use.stride : length;
  const TextWindows windows(documents, length, stride);
  std::vector<TextLoss> losses =
      document_losses(fitted.model(), device, windows, documents.rows(), options.batch_size, options.stop_requested);
  if (options.stop_requested()) return result;
  const bool cuts = tokenizing.long_documents == LongDocuments::cut;
  std::vector<std::int64_t> lengths;
  for (std::int64_t row = 0; row < documents.rows(); ++row) lengths.push_back(documents.length(row));
  if (cuts) result.cut_rows = count_cut_rows(lengths, table, begin, columns, fitted.tokenizer(), tokenizing);
  const std::size_t text_column = column_index(table, use.text);
  std::optional<std::size_t> pair_column;
  if (!use.text_pair.empty()) pair_column = column_index(table, use.text_pair);
  const std::vector<KeptColumn> kept = kept_columns(table, use, options);
  const PredictionContext context{fitted.labels(), &fitted.tokenizer(), fitted.config().vocabulary_size, length};
  const std::unique_ptr<PredictionWriter> writer = fitted.task().make_prediction_writer(context);
  for (std::int64_t row = 0; row < documents.rows(); ++row) {
    const auto first = static_cast<std::size_t>(documents.starts()[static_cast<std::size_t>(row)]);
    const auto size = static_cast<std::size_t>(documents.length(row));
    const std::vector<std::string>& fields = table.rows[static_cast<std::size_t>(begin + row)];
    TextLoss& loss = losses[static_cast<std::size_t>(row)];
    const std::span<const std::int32_t> ids = documents.ids().subspan(first, size);
    const std::size_t bytes = fields[text_column].size() + (pair_column ? fields[*pair_column].size() : 0);
    loss.bytes = document_bytes(ids, cuts ? -1 : static_cast<std::int64_t>(bytes), length, stride, fitted.tokenizer());
    PredictionJson json{{"text", fields[text_column]}};
    for (const KeptColumn& column : kept) json[column.member] = fields[column.index];
    writer->write(json, {fields[text_column], {ids, {}, {}}, loss});
    result.lines += json_line(json);
  }
  return result;
}

/// The first row of [begin, end) whose picture cannot be read, and why.
std::optional<std::pair<std::int64_t, std::string>> first_unreadable(const ImageSource& images, std::int64_t begin,
                                                                     std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    try {
      (void)images.picture(row);
    } catch (const Error& error) {
      return std::pair(row, std::string(error.what()));
    }
  }
  return std::nullopt;
}

/// Of those that were read so far.
std::int64_t unreadable_rows(const ImageSource& images) {
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < images.rows(); ++row) count += images.is_unreadable(row) ? 1 : 0;
  return count;
}

/// One line for each picture.
PredictedLines predict_pictures(FittedModel& fitted, const Table& table, const TableUse& use,
                                const PredictionOptions& options, Device& device, std::int64_t begin,
                                std::int64_t end) {
  if (options.embeddings == EmbeddingPooling::first && fitted.config().images.first_patch == 0)
    throw usage_error("--embeddings first reads a class token, which a model of type {} lacks; give --embeddings mean",
                      fitted.config().model_type);
  const std::vector<KeptColumn> kept = kept_columns(table, use, options);
  const std::size_t image_column = column_index(table, use.text);
  ImageRows rows;
  for (std::int64_t row = begin; row < end; ++row) {
    const auto place = static_cast<std::size_t>(row);
    rows.files.push_back(picture_path(table, place, table.rows[place][image_column]).string());
    if (table.of_pictures) continue;
    rows.list_of.push_back(table.file_of.empty() ? 0 : table.file_of[place]);
    rows.lines.push_back(static_cast<std::uint32_t>(table.lines[place]));
  }
  if (!table.of_pictures) rows.lists = table.files.empty() ? std::vector{table.path} : table.files;
  const auto views = fitted.image_views(rows, use, options.threads);
  const ImageSource& images = *views.front();
  const std::vector<const ExampleSource*> others = behind_first(views);
  const PredictionContext context{fitted.labels(),     nullptr, 0, 0, use.threshold, options.top, /*tokens=*/false,
                                  fitted.calibration()};
  const std::unique_ptr<PredictionWriter> writer = fitted.task().make_prediction_writer(context);
  PredictedLines result;
  const auto write_row = [&](std::int64_t row, std::span<const float> outputs, std::span<const float> embedding) {
    if (use.skip_unreadable && images.is_unreadable(row)) return;
    const auto place = static_cast<std::size_t>(begin + row);
    if (!all_finite(outputs))
      refuse_not_finite(fitted.model(), device, fmt::format("{}: what the model says is", place_of(table, place)));
    const std::vector<std::string>& fields = table.rows[place];
    PredictionJson json{{"image", fields[image_column]}};
    for (const KeptColumn& column : kept) json[column.member] = fields[column.index];
    if (fitted.has_head()) writer->write(json, {fields[image_column], {{}, {}, outputs}});
    write_embedding(json, embedding);
    result.lines += json_line(json);
  };
  const auto predict = [&](std::int64_t first, std::int64_t last) {
    if (first < last)
      predict_embedded(fitted.model(), device, images, DType::f32, first, last, options.batch_size, options.embeddings,
                       write_row, others);
  };
  for (std::int64_t first = 0; first < images.rows() && !options.stop_requested() && result.fault.empty();
       first += options.batch_size) {
    const std::int64_t last = std::min(images.rows(), first + options.batch_size);
    try {
      predict(first, last);
    } catch (const Error&) {
      // Where such are skipped, none of the rows can be read, or something else is wrong.
      if (use.skip_unreadable && unreadable_rows(images) == images.rows()) break;
      if (use.skip_unreadable) throw;
      const auto found = first_unreadable(images, first, last);
      if (!found) throw;
      predict(first, found->first);
      result.fault = found->second;
    }
  }
  if (use.skip_unreadable) {
    result.unreadable = images.unreadable();
    result.unreadable_rows = unreadable_rows(images);
  }
  return result;
}

}  // namespace

PredictedLines predict_lines(FittedModel& fitted, const Table& table, const TableUse& use,
                             const PredictionOptions& options, Device& device, std::int64_t begin, std::int64_t end) {
  if (is_of_images(fitted.task().head)) return predict_pictures(fitted, table, use, options, device, begin, end);
  if (fitted.task().labels == LabelKind::next_token)
    return predict_documents(fitted, table, use, options, device, begin, end);
  const bool of_words = fitted.task().labels == LabelKind::token_class;
  const ColumnChoice columns{use.text, of_words ? "" : use.text_pair, ""};
  TokenizeOptions tokenizing;
  tokenizing.max_length = static_cast<std::size_t>(fitted.max_length(use.max_length));
  tokenizing.threads = options.threads;
  tokenizing.kind = of_words ? LabelKind::token_class : LabelKind::none;
  tokenizing.number_words = of_words;
  const TokenStore rows(tokenize_rows(table, columns, fitted.tokenizer(), fitted.labels(), tokenizing, begin, end));
  require_token_indices(rows, index_limits(fitted.config(), fitted.head()), table.path.string());
  const std::size_t text_column = column_index(table, use.text);
  std::vector<std::int64_t> lengths;
  for (std::int64_t row = 0; row < rows.rows(); ++row) lengths.push_back(rows.length(row));
  const std::int64_t cut =
      of_words ? 0 : count_cut_rows(lengths, table, begin, columns, fitted.tokenizer(), tokenizing);
  const std::vector<KeptColumn> kept = kept_columns(table, use, options);

  PredictedLines result;
  const PredictionContext context{fitted.labels(),
                                  &fitted.tokenizer(),
                                  fitted.config().vocabulary_size,
                                  static_cast<std::int64_t>(tokenizing.max_length),
                                  use.threshold,
                                  options.top,
                                  options.tokens,
                                  fitted.calibration()};
  const std::unique_ptr<PredictionWriter> writer = fitted.task().make_prediction_writer(context);
  const auto write_row = [&](std::int64_t row, std::span<const float> outputs, std::span<const float> embedding) {
    if (!all_finite(outputs))
      refuse_not_finite(
          fitted.model(), device,
          fmt::format("{}: what the model says is", place_of(table, static_cast<std::size_t>(begin + row))));
    const auto first = static_cast<std::size_t>(rows.starts()[static_cast<std::size_t>(row)]);
    const auto length = static_cast<std::size_t>(rows.length(row));
    RowTokens tokens{rows.ids().subspan(first, length), {}, outputs};
    if (of_words) tokens.words = rows.classes().subspan(first, length);
    const std::vector<std::string>& fields = table.rows[static_cast<std::size_t>(begin + row)];
    PredictionJson json{{"text", fields[text_column]}};
    for (const KeptColumn& column : kept) json[column.member] = fields[column.index];
    if (fitted.has_head()) writer->write(json, {fields[text_column], tokens});
    write_embedding(json, embedding);
    result.lines += json_line(json);
  };
  for (std::int64_t first = 0; first < rows.rows() && !options.stop_requested(); first += options.batch_size)
    predict_embedded(fitted.model(), device, rows, DType::f32, first, std::min(rows.rows(), first + options.batch_size),
                     options.batch_size, options.embeddings, write_row);
  result.cut_rows = cut + writer->cut_rows();
  result.cut_words = writer->cut_words();
  return result;
}

}  // namespace temper
