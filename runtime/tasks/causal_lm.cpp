// Causal language modelling: each token predicts the next of its own row. The loss is the mean over the predicted
// tokens of all rows, however they lie in batches.
#include <cmath>

#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

class TextLossWriter final : public PredictionWriter {
 public:
  using PredictionWriter::PredictionWriter;
  void write(PredictionJson& json, const PredictedRow& row) override {
    const auto& [sum, tokens, bytes] = row.loss;
    json["loss"] = nullptr;
    json["perplexity"] = nullptr;
    json["bits_per_byte"] = nullptr;
    if (tokens > 0) {
      const double loss = sum / static_cast<double>(tokens);
      json["loss"] = rounded_to_six_digits(loss);
      json["perplexity"] = rounded_to_six_digits(std::exp(loss));
    }
    if (bytes > 0) json["bits_per_byte"] = rounded_to_six_digits(bits_per_byte(sum, bytes));
    json["predicted_tokens"] = tokens;
  }
};

}  // namespace

TaskSpec causal_lm() {
  return {.name = "causal-lm",
          .other_names = {"clm", "text-generation"},
          .head = HeadKind::causal_language_model,
          .loss = LossKind::cross_entropy,
          .labels = LabelKind::next_token,
          .hub_pipeline = "text-generation",
          .best_metric = "loss",
          .make_scores = make_running_text_scores,
          .reads_row_losses = true,
          .predicted_members = {"loss", "perplexity", "bits_per_byte", "predicted_tokens"},
          .make_prediction_writer = writer_of<TextLossWriter>};
}

}  // namespace temper
