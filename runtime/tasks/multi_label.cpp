// Any number of labels per row.
#include <cmath>

#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

class LabelSetScores final : public Scores {
 public:
  explicit LabelSetScores(const ScoreSettings& settings) {
    counts_.resize(settings.outputs);
    counts_.logit_threshold = std::log(settings.threshold / (1.0 - settings.threshold));
  }

  void add(const EvaluatedBatch& batch) override {
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.rows.sequences()); ++i)
      counts_.add(std::span(batch.rows.targets).subspan(i * batch.columns, batch.columns), batch.outputs_of(i));
  }
  void reduce(Communicator& communicator) override { reduce_counts(counts_, communicator); }
  [[nodiscard]] Metrics metrics(double loss_sum, double loss_weight) const override {
    MultiLabelCounts counts = counts_;
    counts.loss_sum = loss_sum;
    counts.loss_weight = loss_weight;
    return multi_label_metrics(counts);
  }

 private:
  MultiLabelCounts counts_;
};

class LabelSetWriter final : public PredictionWriter {
 public:
  using PredictionWriter::PredictionWriter;
  void write(PredictionJson& json, const PredictedRow& row) override {
    write_label_set(json, context().labels, row.tokens.outputs, context().threshold, context().top);
  }
};

}  // namespace

TaskSpec multi_label() {
  return {.name = "multi-label",
          .other_names = {"multi-label-classification"},
          .head = HeadKind::sequence,
          .loss = LossKind::binary_cross_entropy,
          .labels = LabelKind::multi_label,
          .hub_pipeline = "text-classification",
          .problem_type = "multi_label_classification",
          .best_metric = "micro_f1",
          .make_scores = [](const ScoreSettings& settings) -> std::unique_ptr<Scores> {
            return std::make_unique<LabelSetScores>(settings);
          },
          .predicted_members = {"labels", "probabilities"},
          .make_prediction_writer = writer_of<LabelSetWriter>};
}

/// The same of images.
TaskSpec image_multi_label() {
  TaskSpec images = multi_label();
  images.name = "image-multi-label";
  images.other_names = {"multi-label-image-classification"};
  images.head = HeadKind::image;
  images.hub_pipeline = "image-classification";
  return images;
}

}  // namespace temper
