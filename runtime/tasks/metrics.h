// Sums and counts from which the metrics of a task are computed. Ranks and batches add them, and divide once at the end
// ("sums and counts" in docs/design.md). Definitions are scikit-learn's; a value whose denominator is 0 is 0.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace temper {

std::int64_t sum_of(std::span<const std::int64_t> counts);

/// One label per row (or token).
struct ClassificationCounts {
  std::int64_t classes = 0;
  std::vector<std::int64_t> confusion;  ///< [truth, predicted]
  double loss_sum = 0.0;
  double loss_weight = 0.0;

  /// Sets the number of classes and all counts to 0.
  void resize(std::int64_t class_count);
  /// Counts one row. A negative truth means "no label" and is not counted; a class out of range is an Error.
  void add(std::int32_t truth, std::int32_t predicted);
  /// The counts as one vector, the same length on every rank, for an all-reduce by sum.
  [[nodiscard]] std::vector<std::int64_t> flat() const { return confusion; }
  void set_flat(std::span<const std::int64_t> counts);
};

/// Real values. Not sums: ranks gather the pairs in the order of the rows, so that Spearman is exact.
struct RegressionPairs {
  std::vector<double> predictions;  ///< [rows, outputs]
  std::vector<double> truths;       ///< [rows, outputs]
  double loss_sum = 0.0;
  double loss_weight = 0.0;
  std::int64_t outputs = 1;  ///< values per row; each metric is the mean over them
};

/// Any number of labels per row.
struct MultiLabelCounts {
  std::vector<std::int64_t> true_positives;   ///< [labels]
  std::vector<std::int64_t> false_positives;  ///< [labels]
  std::vector<std::int64_t> false_negatives;  ///< [labels]
  std::vector<std::int64_t> true_negatives;   ///< [labels]
  std::int64_t exact_rows = 0;                ///< rows with every label right
  std::int64_t rows = 0;
  double loss_sum = 0.0;
  double loss_weight = 0.0;
  double logit_threshold = 0.0;  ///< a label is predicted where its logit is above it; 0: a probability above one half

  /// Sets the number of labels and all counts to 0.
  void resize(std::int64_t label_count);
  /// Counts one row of `truths` (0 or 1) and `logits`, both [labels].
  void add(std::span<const float> truths, std::span<const float> logits);
  [[nodiscard]] std::vector<std::int64_t> flat() const;
  void set_flat(std::span<const std::int64_t> counts);
};

/// Predicted tokens of a language model.
struct LanguageModelCounts {
  std::int64_t tokens = 0;  ///< with a label
  std::int64_t correct = 0;
  double loss_sum = 0.0;
  double loss_weight = 0.0;

  [[nodiscard]] std::vector<std::int64_t> flat() const { return {tokens, correct}; }
  void set_flat(std::span<const std::int64_t> counts);
};

/// Of the entities of one type.
struct EntityScores {
  std::string type;
  double precision = 0.0;
  double recall = 0.0;
  double f1 = 0.0;
  std::int64_t support = 0;  ///< entities that truly are of the type
};

/// Between which bounds a figure lies in 95 of 100 cases.
struct Interval {
  double low = 0.0;
  double high = 0.0;

  friend bool operator==(const Interval&, const Interval&) = default;
};

struct NamedInterval {
  std::string name;  ///< of a value
  Interval interval;

  friend bool operator==(const NamedInterval&, const NamedInterval&) = default;
};

/// How well one class or label is told from the others.
struct ClassMeasures {
  std::string label;
  std::int64_t positives = 0;  ///< rows that have it
  std::vector<std::pair<std::string, double>> values;
  std::vector<NamedInterval> intervals;
};

struct Metrics {
  std::vector<std::pair<std::string, double>> values;  ///< loss first, then what matters most
  std::vector<std::vector<std::int64_t>> confusion;    ///< [truth][predicted]; empty for other tasks
  std::vector<EntityScores> entities = {};             ///< by type; empty where labels name no entities
  std::vector<NamedInterval> intervals = {};           ///< of some of the values; empty where none were asked for
  std::vector<ClassMeasures> classes = {};             ///< likewise

  /// Throws a usage Error that names the nearest metric and lists all.
  [[nodiscard]] double value(std::string_view metric) const;
  /// Null where the value has none.
  [[nodiscard]] const Interval* interval(std::string_view metric) const;
  /// Numbers that are not finite have no place in the JSON of a checkpoint.
  [[nodiscard]] std::vector<std::pair<std::string, double>> finite_values() const;
};

/// loss, accuracy, macro and weighted F1, matthews, macro and weighted precision and recall. Macro means run over the
/// classes that occur as truth or prediction. `matthews` is R_K (Gorodkin 2004, "Comparing two K-category assignments
/// by a K-category correlation coefficient"), for two classes Matthews' phi.
Metrics classification_metrics(const ClassificationCounts& counts);

/// loss, pearson, spearman (ties get the mean of their ranks), r2, mean_squared_error, mean_absolute_error. Correlation
/// with a constant is 0. `r2` of constant truths is 1 where every prediction is exact, else 0.
Metrics regression_metrics(const RegressionPairs& pairs);

/// loss, micro and macro F1, subset_accuracy (every label of a row right), weighted_f1, micro and macro precision and
/// recall, hamming_loss (part of all labels that are wrong). Macro means run over all labels.
Metrics multi_label_metrics(const MultiLabelCounts& counts);

/// loss (mean negative log-likelihood in nats), perplexity (its exponential), accuracy.
Metrics language_model_metrics(const LanguageModelCounts& counts);

/// The bits that a text costs per byte of its UTF-8: `loss_sum` in nats over all its predicted tokens, divided by ln 2
/// and by the bytes that these stand for; NaN where they stand for none, or the bytes are not known.
double bits_per_byte(double loss_sum, std::int64_t bytes);

/// A value that has an interval is followed by name_low and name_high: for logs, which know numbers alone.
std::vector<std::pair<std::string, double>> with_bounds(const std::vector<std::pair<std::string, double>>& values,
                                                        const std::vector<NamedInterval>& intervals);

/// False for losses, errors and perplexity.
bool higher_is_better(std::string_view metric);

}  // namespace temper
