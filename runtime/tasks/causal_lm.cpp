// Causal language modelling: each token predicts the next of its own row. The loss is the mean over the predicted
// tokens of all rows, however they lie in batches.
#include <cmath>
#include <numeric>

#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

/// Writes what the losses of a row's predicted tokens say of it.
class TextLossWriter final : public PredictionWriter {
 public:
  using PredictionWriter::PredictionWriter;
  void write(PredictionJson& json, const PredictedRow& row) override {
    const std::span<const float> losses = row.tokens.outputs;
    const std::size_t predicted = losses.size();
    const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
    json["loss"] = nullptr;
    json["perplexity"] = nullptr;
    if (predicted > 0) {
      const double loss = sum / static_cast<double>(predicted);
      json["loss"] = rounded_to_six_digits(loss);
      json["perplexity"] = rounded_to_six_digits(std::exp(loss));
    }
    json["predicted_tokens"] = predicted;
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
          .make_scores = make_language_model_scores,
          .reads_row_losses = true,
          .predicted_members = {"loss", "perplexity", "predicted_tokens"},
          .make_prediction_writer = writer_of<TextLossWriter>};
}

}  // namespace temper
