#include "runtime/evaluation/prediction.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/name_list.h"
#include "data/text/cut_rows.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/evaluation/prediction_json.h"
#include "runtime/inputs/index_check.h"
#include "runtime/inputs/masking_plan.h"
#include "runtime/steps/finite_weights.h"

namespace temper {
namespace {

constexpr std::int64_t kCandidatesForMask = 5;

/// Members that a prediction has itself.
constexpr std::array<std::string_view, 12> kOwnMembers = {"text",          "label",    "labels", "probability",
                                                          "probabilities", "value",    "values", "offsets",
                                                          "words",         "entities", "tokens", "masks"};

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
    const bool taken = std::find(kOwnMembers.begin(), kOwnMembers.end(), name) != kOwnMembers.end();
    KeptColumn column{index, taken ? "input_" + name : name};
    if (std::any_of(kept.begin(), kept.end(), [&](const KeptColumn& other) { return other.member == column.member; }))
      throw Error("{}: two columns would be called {} in the predictions; keep one of them only", table.path.string(),
                  quoted_name(column.member));
    kept.push_back(std::move(column));
  }
  return kept;
}

/// Writes what one row's logits say.
class RowWriter {
 public:
  RowWriter(const FittedModel& fitted, const TableUse& use, const PredictionOptions& options, PredictedLines& result)
      : fitted_(fitted), use_(use), options_(options), result_(result) {
    if (fitted.task() == Task::masked_lm)
      mask_ = MaskingPlan(fitted.tokenizer(), fitted.config().vocabulary_size, 0).vocabulary.mask_id;
  }

  void write(PredictionJson& json, const std::string& text, const RowTokens& tokens) const {
    switch (fitted_.task()) {
      case Task::sequence_classification:
        return write_class(json, fitted_.labels(), tokens.logits, options_.top);
      case Task::multi_label:
        return write_label_set(json, fitted_.labels(), tokens.logits, use_.threshold, options_.top);
      case Task::regression:
        return write_numbers(json, fitted_.labels(), tokens.logits);
      case Task::token_classification:
        return write_labelled_words(json, text, tokens);
      case Task::masked_lm:
        return write_masks(json, fitted_.tokenizer(), mask_, tokens,
                           options_.top > 0 ? options_.top : kCandidatesForMask);
    }
  }

 private:
  void write_labelled_words(PredictionJson& json, const std::string& text, const RowTokens& tokens) const {
    const std::int64_t without_token = write_words(json, fitted_.labels(), text, tokens, options_.top);
    // A shorter row was not cut: its words without a token are of characters that the tokenizer drops.
    if (without_token > 0 && std::cmp_equal(tokens.ids.size(), fitted_.max_length(use_.max_length))) {
      ++result_.cut_rows;
      result_.cut_words += without_token;
    }
    if (options_.tokens) write_tokens(json, fitted_.labels(), fitted_.tokenizer(), tokens);
  }

  const FittedModel& fitted_;
  const TableUse& use_;
  const PredictionOptions& options_;
  PredictedLines& result_;
  std::int32_t mask_ = -1;
};

}  // namespace

PredictedLines predict_lines(FittedModel& fitted, const Table& table, const TableUse& use,
                             const PredictionOptions& options, Device& device, std::int64_t begin, std::int64_t end) {
  const bool of_words = fitted.task() == Task::token_classification;
  const ColumnChoice columns{use.text, of_words ? "" : use.text_pair, ""};
  TokenizeOptions tokenizing;
  tokenizing.max_length = static_cast<std::size_t>(fitted.max_length(use.max_length));
  tokenizing.threads = options.threads;
  tokenizing.kind = of_words ? LabelKind::token_class : LabelKind::none;
  tokenizing.number_words = of_words;
  const Dataset rows = tokenize_rows(table, columns, fitted.tokenizer(), fitted.labels(), tokenizing, begin, end);
  require_token_indices(rows, index_limits(fitted.config(), fitted.task(), fitted.outputs()), table.path.string());
  const std::size_t text_column = column_index(table, use.text);
  const std::int64_t cut =
      of_words ? 0 : count_cut_rows(rows.lengths(), table, begin, columns, fitted.tokenizer(), tokenizing);
  const std::vector<KeptColumn> kept = kept_columns(table, use, options);

  PredictedLines result;
  result.cut_rows = cut;
  const RowWriter writer(fitted, use, options, result);
  const auto write_row = [&](std::int64_t row, std::span<const float> logits) {
    if (!all_finite(logits))
      refuse_not_finite(fitted.model(), device,
                        fmt::format("{}, line {}: what the model says is", table.path.string(),
                                    table.lines[static_cast<std::size_t>(begin + row)]));
    const auto first = static_cast<std::size_t>(rows.starts[static_cast<std::size_t>(row)]);
    const auto length = static_cast<std::size_t>(rows.length(row));
    RowTokens tokens{std::span(rows.ids).subspan(first, length), {}, logits};
    if (of_words) tokens.words = std::span(rows.classes).subspan(first, length);
    const std::vector<std::string>& fields = table.rows[static_cast<std::size_t>(begin + row)];
    PredictionJson json{{"text", fields[text_column]}};
    for (const KeptColumn& column : kept) json[column.member] = fields[column.index];
    writer.write(json, fields[text_column], tokens);
    result.lines += json.dump(-1, ' ', false, PredictionJson::error_handler_t::replace) + "\n";
  };
  for (std::int64_t first = 0; first < rows.rows() && !options.stop_requested(); first += options.batch_size)
    predict(fitted.model(), device, rows, fitted.task(), DType::f32, first,
            std::min(rows.rows(), first + options.batch_size), options.batch_size, write_row);
  return result;
}

}  // namespace temper
