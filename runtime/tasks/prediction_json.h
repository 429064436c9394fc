// What a prediction says of one row: who writes it, a task's, and what these are written with. Included by sources
// only: nlohmann's header is heavy and stays out of the headers that others read.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "data/tables/labels.h"
#include "data/text/word_places.h"
#include "data/tokenizer/tokenizer.h"
#include "runtime/tasks/entities.h"
#include "runtime/tasks/probabilities.h"
#include "runtime/tasks/row_measures.h"
#include "runtime/tasks/task.h"

namespace temper {

/// Members keep the order in which they are written.
using PredictionJson = nlohmann::ordered_json;

/// The tokens of one row, and what the model says of it.
struct RowTokens {
  std::span<const std::int32_t> ids;    ///< [tokens]
  std::span<const std::int32_t> words;  ///< [tokens] place of the word whose first token it is, else negative
  std::span<const float> outputs;       ///< [outputs] of the row, or [tokens, outputs]

  [[nodiscard]] std::span<const float> outputs_of(std::size_t token) const;
};

/// What a language model makes of a text.
struct TextLoss {
  double sum = 0.0;         ///< of its predicted tokens' losses, in nats
  std::int64_t tokens = 0;  ///< that were predicted
  std::int64_t bytes = 0;   ///< that these stand for
};

struct PredictedRow {
  std::string_view text;
  RowTokens tokens;
  TextLoss loss = {};  ///< of a language model, which has no other outputs here
};

/// What all rows of a table have in common.
struct PredictionContext {
  const LabelSet& labels;
  const Tokenizer* tokenizer;                ///< null of a model of images
  std::int64_t vocabulary = 0;               ///< tokens that the model has embeddings for
  std::int64_t max_length = 0;               ///< tokens of the longest row
  double threshold = 0.5;                    ///< a label of several is predicted where its probability is above it
  std::int64_t top = 0;                      ///< so many classes or candidates; 0: as the task has it
  bool tokens = true;                        ///< list the tokens of words, too
  const Calibration* calibration = nullptr;  ///< of the model, borrowed; null: none
};

/// Writes what a model's outputs say of each row.
class PredictionWriter {
 public:
  /// `context` is borrowed. Throws Error where the tokenizer lacks what the task needs.
  explicit PredictionWriter(const PredictionContext& context) : context_(context) {}
  PredictionWriter(const PredictionWriter&) = delete;
  PredictionWriter& operator=(const PredictionWriter&) = delete;
  virtual ~PredictionWriter() = default;

  /// Adds the task's members (TaskSpec::predicted_members) to `json`.
  virtual void write(PredictionJson& json, const PredictedRow& row) = 0;

  /// Rows that were cut, and words that therefore nothing is said of.
  [[nodiscard]] std::int64_t cut_rows() const { return cut_rows_; }
  [[nodiscard]] std::int64_t cut_words() const { return cut_words_; }

 protected:
  [[nodiscard]] const PredictionContext& context() const { return context_; }
  void note_cut_words(std::int64_t words) {
    ++cut_rows_;
    cut_words_ += words;
  }

 private:
  const PredictionContext& context_;
  std::int64_t cut_rows_ = 0;
  std::int64_t cut_words_ = 0;
};

/// For the table of tasks.
template <typename Writer>
std::unique_ptr<PredictionWriter> writer_of(const PredictionContext& context) {
  return std::make_unique<Writer>(context);
}

/// Six digits say all that f32 logits know.
double rounded_to_six_digits(double value);
std::size_t index_of_largest(std::span<const double> values);
/// Indices of the `count` largest, the largest first; of equals the first.
std::vector<std::size_t> largest(std::span<const double> values, std::size_t count);

/// A line of JSON with its line feed. Numbers have the fewest digits that read back as the same number (nlohmann's own
/// writer gives 0.24224300000000001 for 0.242243); what is not UTF-8 is replaced.
std::string json_line(const PredictionJson& json);

/// {label: probability}: of all in the order of their ids, or, where `top` is above 0, of the most probable, in order.
PredictionJson probabilities_json(const LabelSet& labels, std::span<const double> probabilities, std::int64_t top);

/// "label", "probability", "probabilities". `logits` [labels].
void write_class(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, std::int64_t top);

/// "calibrated_probabilities": with the temperature; of one class per row (`several` false) before these
/// "calibrated_probability", of the label. "decisions": {label: whether its probability reaches its threshold}, of each
/// that has one; thresholds are of probabilities as the model gives them, without the temperature.
void write_calibrated(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, bool several,
                      const Calibration& calibration, std::int64_t top);

/// "labels": those with a probability above the threshold, in the order of their ids; "probabilities".
void write_label_set(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, double threshold,
                     std::int64_t top);

/// "value"; or, of a model with several outputs, "values" {name: value}. `logits` [max(1, labels)].
void write_numbers(PredictionJson& row, const LabelSet& labels, std::span<const float> logits);

/// "offsets": whether places count "characters" of the text or "words" of a list; "words": each with its place, "label"
/// and "probability", both null for a word without a token; "entities": with "type", "text", place, and the mean of the
/// words' probabilities. With `top` above 0 each word has "probabilities", too. Gives the number of words without a
/// token.
std::int64_t write_words(PredictionJson& row, const LabelSet& labels, std::string_view text, const RowTokens& tokens,
                         std::int64_t top);

/// "tokens": each but the special ones with its "label" and "probability".
void write_tokens(PredictionJson& row, const LabelSet& labels, const Tokenizer& tokenizer, const RowTokens& tokens);

/// "masks": for each mask the `top` most probable tokens.
void write_masks(PredictionJson& row, const Tokenizer& tokenizer, std::int32_t mask, const RowTokens& tokens,
                 std::int64_t top);

}  // namespace temper
