// Direct preference optimisation: of two answers to the same prompt the preferred one is to become more probable than
// the other, both measured by what the model made of them before (Rafailov et al. 2023). What comes of it is a language
// model.
#include <algorithm>
#include <array>

#include "data/token_rows.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

/// Of each pair, computed by one rank: the logarithms of the two answers' probabilities, and their rewards.
class PairScores final : public Scores {
 public:
  explicit PairScores(const ScoreSettings& settings)
      : terms_(settings.preference), values_(static_cast<std::size_t>(settings.rows) * kOfPair) {}

  void add(const EvaluatedBatch& batch) override {
    const Batch& rows = batch.rows;
    std::size_t next = 0;
    for (std::size_t s = 0; s < rows.references.size(); ++s) {
      const auto first = rows.classes.begin() + rows.sequence_starts[s];
      const auto tokens = std::count_if(first, rows.classes.begin() + rows.sequence_starts[s + 1],
                                        [](std::int32_t id) { return id != kUnlabelled; });
      double log_probability = 0.0;
      for (const double loss : batch.row_losses.subspan(next, static_cast<std::size_t>(tokens)))
        log_probability -= loss;
      next += static_cast<std::size_t>(tokens);
      const double share = terms_.length_normalized && tokens > 0 ? 1.0 / static_cast<double>(tokens) : 1.0;
      const std::size_t pair = static_cast<std::size_t>(batch.first_row) + s / 2;
      values_[pair * kOfPair + s % 2] = log_probability;
      values_[pair * kOfPair + 2 + s % 2] = terms_.beta * ((log_probability - rows.references[s]) * share);
    }
  }

  void reduce(Communicator& communicator) override {
    communicator.all_reduce(std::span(values_), Reduction::sum);  // the others have zeros
  }

  /// The loss is that of the pairs, not of their tokens.
  [[nodiscard]] Metrics metrics(double /*loss_sum*/, double /*loss_weight*/) const override {
    std::array<double, kOfPair> sums{};
    double loss = 0.0;
    double right = 0.0;
    double margin = 0.0;
    for (std::size_t first = 0; first < values_.size(); first += kOfPair) {
      for (std::size_t i = 0; i < kOfPair; ++i) sums[i] += values_[first + i];
      const double of_pair = values_[first + 2] - values_[first + 3];
      loss += loss_of_pair(of_pair / terms_.beta, terms_).loss;
      right += of_pair > 0.0 ? 1.0 : 0.0;
      margin += of_pair;
    }
    const double pairs = std::max(1.0, static_cast<double>(values_.size() / kOfPair));
    return {{{"loss", loss / pairs},
             {"accuracy", right / pairs},
             {"margin", margin / pairs},
             {"chosen_reward", sums[2] / pairs},
             {"rejected_reward", sums[3] / pairs},
             {"chosen_log_probability", sums[0] / pairs},
             {"rejected_log_probability", sums[1] / pairs}},
            {}};
  }

 private:
  static constexpr std::size_t kOfPair = 4;
  PreferenceTerms terms_;
  std::vector<double> values_;  ///< [pairs, 4]: logarithms of probabilities, chosen and rejected, then rewards
};

std::unique_ptr<Scores> make_pair_scores(const ScoreSettings& settings) {
  return std::make_unique<PairScores>(settings);
}

}  // namespace

TaskSpec dpo() {
  return {.name = "dpo",
          .other_names = {"preference", "direct-preference-optimization"},
          .head = HeadKind::causal_language_model,
          .loss = LossKind::preference,
          .labels = LabelKind::preference,
          .serves_as = "causal-lm",
          .hub_pipeline = "text-generation",
          .best_metric = "loss",
          .make_scores = make_pair_scores,
          .reads_row_losses = true,
          .step_measures = {"accuracy", "margin"}};
}

}  // namespace temper
