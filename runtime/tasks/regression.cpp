// A number per row.
#include <algorithm>

#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

/// Pairs of all rows rather than sums, so that Spearman's correlation is exact.
class NumberScores final : public Scores {
 public:
  explicit NumberScores(const ScoreSettings& settings) {
    pairs_.outputs = settings.outputs;
    // Zero for rows of other ranks.
    pairs_.predictions.assign(static_cast<std::size_t>(settings.rows * settings.outputs), 0.0);
    pairs_.truths = pairs_.predictions;
  }

  void add(const EvaluatedBatch& batch) override {
    const std::int64_t offset = batch.first_row * static_cast<std::int64_t>(batch.columns);
    std::copy(batch.outputs.begin(), batch.outputs.end(), pairs_.predictions.begin() + offset);
    std::copy_n(batch.rows.targets.begin(), batch.outputs.size(), pairs_.truths.begin() + offset);
  }

  void reduce(Communicator& communicator) override {
    communicator.all_reduce(std::span(pairs_.predictions), Reduction::sum);
    communicator.all_reduce(std::span(pairs_.truths), Reduction::sum);
  }

  [[nodiscard]] Metrics metrics(double loss_sum, double loss_weight) const override {
    RegressionPairs pairs = pairs_;
    pairs.loss_sum = loss_sum;
    pairs.loss_weight = loss_weight;
    return regression_metrics(pairs);
  }

 private:
  RegressionPairs pairs_;
};

class NumberWriter final : public PredictionWriter {
 public:
  using PredictionWriter::PredictionWriter;
  void write(PredictionJson& json, const PredictedRow& row) override {
    write_numbers(json, context().labels, row.tokens.outputs);
  }
};

}  // namespace

TaskSpec regression() {
  return {.name = "regression",
          .other_names = {},
          .head = HeadKind::sequence,
          .loss = LossKind::mean_squared_error,
          .labels = LabelKind::regression,
          .hub_pipeline = "text-classification",
          .problem_type = "regression",
          .best_metric = "pearson",
          .make_scores = [](const ScoreSettings& settings) -> std::unique_ptr<Scores> {
            return std::make_unique<NumberScores>(settings);
          },
          .predicted_members = {"value", "values"},
          .make_prediction_writer = writer_of<NumberWriter>};
}

/// The same of images.
TaskSpec image_regression() {
  TaskSpec images = regression();
  images.name = "image-regression";
  images.other_names = {};
  images.head = HeadKind::image;
  images.hub_pipeline = "image-classification";
  return images;
}

}  // namespace temper
