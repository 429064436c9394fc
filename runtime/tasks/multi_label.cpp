// Any number of labels per row.
#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/row_scores.h"

namespace temper {
namespace {

class LabelSetWriter final : public PredictionWriter {
 public:
  using PredictionWriter::PredictionWriter;
  void write(PredictionJson& json, const PredictedRow& row) override {
    write_label_set(json, context().labels, row.tokens.outputs, context().threshold, context().top);
    if (const Calibration* calibration = context().calibration; calibration != nullptr)
      write_calibrated(json, context().labels, row.tokens.outputs, /*several=*/true, *calibration, context().top);
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
          .make_scores = make_label_set_scores,
          .predicted_members = {"labels", "probabilities", "calibrated_probabilities", "decisions"},
          .make_prediction_writer = writer_of<LabelSetWriter>};
}

/// The same of images.
TaskSpec image_multi_label() {
  TaskSpec images = multi_label();
  images.name = "image-multi-label";
  images.other_names = {"multi-label-image-classification"};
  images.head = HeadKind::image;
  images.hub_pipeline = "image-classification";
  images.best_metric = "auroc";
  return images;
}

}  // namespace temper
