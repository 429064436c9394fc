// Predictions for words, tokens and masks.
#include "runtime/tasks/prediction_json.h"

namespace temper {
namespace {

/// What is predicted for a word or a token.
struct Guess {
  std::int32_t label = -1;  ///< negative: nothing
  double probability = 0.0;
};

Guess guess_of(std::span<const double> probabilities) {
  const std::size_t best = index_of_largest(probabilities);
  return {static_cast<std::int32_t>(best), probabilities[best]};
}

PredictionJson entities_json(const LabelSet& labels, std::string_view text, const PlacedWords& placed,
                             std::span<const Guess> guesses) {
  const EntityLabels entity_labels(labels.names());
  std::vector<std::int32_t> ids;
  for (const Guess& guess : guesses) ids.push_back(guess.label);
  PredictionJson entities = PredictionJson::array();
  for (const EntitySpan& span : entity_labels.find(ids)) {
    double sum = 0.0;
    for (std::int64_t i = span.begin; i < span.end; ++i) sum += guesses[static_cast<std::size_t>(i)].probability;
    const std::int64_t begin = placed.words[static_cast<std::size_t>(span.begin)].begin;
    const std::int64_t end = placed.words[static_cast<std::size_t>(span.end - 1)].end;
    entities.push_back({{"type", entity_labels.types()[span.type]},
                        {"text", placed.between(text, begin, end)},
                        {"start", begin},
                        {"end", end},
                        {"probability", rounded_to_six_digits(sum / static_cast<double>(span.end - span.begin))}});
  }
  return entities;
}

}  // namespace

std::span<const float> RowTokens::outputs_of(std::size_t token) const {
  const std::size_t columns = outputs.size() / ids.size();
  return outputs.subspan(token * columns, columns);
}

std::int64_t write_words(PredictionJson& row, const LabelSet& labels, std::string_view text, const RowTokens& tokens,
                         std::int64_t top) {
  const PlacedWords placed = place_words(text);
  std::vector<Guess> guesses(placed.words.size());
  std::vector<PredictionJson> probabilities(placed.words.size());
  for (std::size_t t = 0; t < tokens.ids.size(); ++t) {
    if (tokens.words[t] < 0) continue;
    const auto word = static_cast<std::size_t>(tokens.words[t]);
    const std::vector<double> p = softmax(tokens.outputs_of(t));
    guesses[word] = guess_of(p);
    if (top > 0) probabilities[word] = probabilities_json(labels, p, top);
  }
  row["offsets"] = placed.in_text ? "characters" : "words";
  row["words"] = PredictionJson::array();
  std::int64_t without_token = 0;
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    const Guess& guess = guesses[i];
    const bool known = guess.label >= 0;
    without_token += known ? 0 : 1;
    PredictionJson word{{"word", placed.words[i].text}};
    word["label"] = known ? PredictionJson(labels.name(guess.label)) : PredictionJson(nullptr);
    word["probability"] = known ? PredictionJson(rounded_to_six_digits(guess.probability)) : PredictionJson(nullptr);
    word["start"] = placed.words[i].begin;
    word["end"] = placed.words[i].end;
    if (top > 0) word["probabilities"] = probabilities[i];
    row["words"].push_back(std::move(word));
  }
  row["entities"] = entities_json(labels, text, placed, guesses);
  return without_token;
}

void write_tokens(PredictionJson& row, const LabelSet& labels, const Tokenizer& tokenizer, const RowTokens& tokens) {
  row["tokens"] = PredictionJson::array();
  for (std::size_t t = 0; t < tokens.ids.size(); ++t) {
    if (tokenizer.is_special(tokens.ids[t])) continue;
    const Guess guess = guess_of(softmax(tokens.outputs_of(t)));
    row["tokens"].push_back({{"token", tokenizer.token(tokens.ids[t])},
                             {"label", labels.name(guess.label)},
                             {"probability", rounded_to_six_digits(guess.probability)}});
  }
}

void write_masks(PredictionJson& row, const Tokenizer& tokenizer, std::int32_t mask, const RowTokens& tokens,
                 std::int64_t top) {
  row["masks"] = PredictionJson::array();
  for (std::size_t t = 0; t < tokens.ids.size(); ++t) {
    if (tokens.ids[t] != mask) continue;
    const std::vector<double> p = softmax(tokens.outputs_of(t));
    PredictionJson candidates = PredictionJson::array();
    for (const std::size_t id : largest(p, static_cast<std::size_t>(top)))
      candidates.push_back(
          {{"token", tokenizer.token(static_cast<std::int32_t>(id))}, {"probability", rounded_to_six_digits(p[id])}});
    row["masks"].push_back(std::move(candidates));
  }
}

}  // namespace temper
