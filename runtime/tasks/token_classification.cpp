// A class for each word: that of its first token.
#include <utility>

#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

class WordWriter final : public PredictionWriter {
 public:
  using PredictionWriter::PredictionWriter;
  void write(PredictionJson& json, const PredictedRow& row) override {
    const std::int64_t without_token = write_words(json, context().labels, row.text, row.tokens, context().top);
    // A shorter row was not cut: its words without a token are of characters that the tokenizer drops.
    if (without_token > 0 && std::cmp_equal(row.tokens.ids.size(), context().max_length)) note_cut_words(without_token);
    if (context().tokens) write_tokens(json, context().labels, *context().tokenizer, row.tokens);
  }
};

}  // namespace

TaskSpec token_classification() {
  return {.name = "token-classification",
          .other_names = {"ner"},
          .head = HeadKind::token,
          .loss = LossKind::cross_entropy,
          .labels = LabelKind::token_class,
          .hub_pipeline = "token-classification",
          .best_metric = "macro_f1",
          .make_scores = make_class_scores,
          .predicted_members = {"offsets", "words", "entities", "tokens"},
          .make_prediction_writer = writer_of<WordWriter>};
}

}  // namespace temper
