// One of several classes per row.
#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/row_scores.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

class ClassWriter final : public PredictionWriter {
 public:
  using PredictionWriter::PredictionWriter;
  void write(PredictionJson& json, const PredictedRow& row) override {
    write_class(json, context().labels, row.tokens.outputs, context().top);
    if (const Calibration* calibration = context().calibration; calibration != nullptr)
      write_calibrated(json, context().labels, row.tokens.outputs, /*several=*/false, *calibration, context().top);
  }
};

}  // namespace

TaskSpec sequence_classification() {
  return {.name = "sequence-classification",
          .other_names = {"classification", "text-classification"},
          .head = HeadKind::sequence,
          .loss = LossKind::cross_entropy,
          .labels = LabelKind::single_class,
          .hub_pipeline = "text-classification",
          .problem_type = "single_label_classification",
          .best_metric = "accuracy",
          .make_scores = make_row_class_scores,
          .predicted_members = {"label", "probability", "probabilities", "calibrated_probability",
                                "calibrated_probabilities", "decisions"},
          .make_prediction_writer = writer_of<ClassWriter>};
}

/// The same of images.
TaskSpec image_classification() {
  TaskSpec images = sequence_classification();
  images.name = "image-classification";
  images.other_names = {};
  images.head = HeadKind::image;
  images.hub_pipeline = "image-classification";
  // Pictures of what is rare: a model that never finds it is right about almost all.
  images.best_metric = "auroc";
  return images;
}

}  // namespace temper
