// What a prediction says of one row, task by task. Included by prediction's sources only: nlohmann's header is heavy
// and stays out of the headers that others read.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "data/tables/labels.h"
#include "data/text/word_places.h"
#include "data/tokenizer/tokenizer.h"
#include "runtime/tasks/entities.h"

namespace temper {

/// Members keep the order in which they are written.
using PredictionJson = nlohmann::ordered_json;

/// Six digits say all that f32 logits know.
double rounded_probability(double p);
std::vector<double> softmax(std::span<const float> logits);
std::size_t index_of_largest(std::span<const double> values);
/// Indices of the `count` largest, the largest first; of equals the first.
std::vector<std::size_t> largest(std::span<const double> values, std::size_t count);

/// {label: probability}: of all in the order of their ids, or, where `top` is above 0, of the most probable, in order.
PredictionJson probabilities_json(const LabelSet& labels, std::span<const double> probabilities, std::int64_t top);

/// "label", "probability", "probabilities". `logits` [labels].
void write_class(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, std::int64_t top);

/// "labels": those with a probability above the threshold, in the order of their ids; "probabilities".
void write_label_set(PredictionJson& row, const LabelSet& labels, std::span<const float> logits, double threshold,
                     std::int64_t top);

/// "value"; or, of a model with several outputs, "values" {name: value}. `logits` [max(1, labels)].
void write_numbers(PredictionJson& row, const LabelSet& labels, std::span<const float> logits);

/// The tokens of one row.
struct RowTokens {
  std::span<const std::int32_t> ids;    ///< [tokens]
  std::span<const std::int32_t> words;  ///< [tokens] place of the word whose first token it is, else negative
  std::span<const float> logits;        ///< [tokens, outputs]

  [[nodiscard]] std::span<const float> logits_of(std::size_t token) const;
};

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
