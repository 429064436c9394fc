// Masked language modelling: the words that stood where the mask is.
#include "data/text/masking.h"
#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

constexpr std::int64_t kCandidatesForMask = 5;

class MaskWriter final : public PredictionWriter {
 public:
  explicit MaskWriter(const PredictionContext& context)
      : PredictionWriter(context), mask_(masking_vocabulary(*context.tokenizer, context.vocabulary).mask_id) {}
  void write(PredictionJson& json, const PredictedRow& row) override {
    write_masks(json, *context().tokenizer, mask_, row.tokens, context().top > 0 ? context().top : kCandidatesForMask);
  }

 private:
  std::int32_t mask_;
};

}  // namespace

TaskSpec masked_lm() {
  return {.name = "masked-lm",
          .other_names = {"fill-mask", "mlm"},
          .head = HeadKind::masked_language_model,
          .loss = LossKind::cross_entropy,
          .labels = LabelKind::none,
          .masks_tokens = true,
          .hub_pipeline = "fill-mask",
          .best_metric = "loss",
          .make_scores = make_language_model_scores,
          .predicted_members = {"masks"},
          .make_prediction_writer = writer_of<MaskWriter>};
}

}  // namespace temper
