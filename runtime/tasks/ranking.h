// Rows in the order of what a model says of them: how well it tells those of a class from the others. Definitions are
// scikit-learn's (roc_auc_score, average_precision_score, roc_curve).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace temper {

/// Of a row that is neither positive nor negative: it has no label, and is not looked at.
inline constexpr std::uint8_t kNeither = 2;

/// How often each row counts, in a resample; empty: each once.
using RowTimes = std::span<const std::uint32_t>;

/// What comes of calling every row positive whose score is at least `threshold`.
struct RocPoint {
  double threshold = 0.0;  ///< infinite: no row is
  std::int64_t true_positives = 0;
  std::int64_t false_positives = 0;
};

struct RocCurve {
  std::vector<RocPoint> points;  ///< by falling threshold: from no row to all rows; one for each distinct score
  std::int64_t positives = 0;
  std::int64_t negatives = 0;

  /// Whether both kinds of rows are there; without, it has neither sensitivity nor specificity.
  [[nodiscard]] bool is_defined() const { return positives > 0 && negatives > 0; }
  [[nodiscard]] double sensitivity(const RocPoint& point) const {
    return static_cast<double>(point.true_positives) / static_cast<double>(positives);
  }
  [[nodiscard]] double specificity(const RocPoint& point) const {
    return static_cast<double>(negatives - point.false_positives) / static_cast<double>(negatives);
  }
};

struct DetectionRates {
  double sensitivity = 0.0;  ///< NaN without positive rows
  double specificity = 0.0;  ///< NaN without negative rows
};

class Ranking {
 public:
  /// `scores` [rows]; `positive` [rows] 1, 0 or kNeither. Where a score is NaN, nothing is ranked.
  Ranking(std::span<const double> scores, std::span<const std::uint8_t> positive);

  /// The part of all pairs of a positive and a negative row in which the positive one has the higher score, ties half.
  /// NaN where either kind is missing.
  [[nodiscard]] double auroc(RowTimes times = {}) const;
  /// Sum over the distinct scores, falling, of the gain in recall times the precision there. NaN without positive rows.
  [[nodiscard]] double average_precision(RowTimes times = {}) const;
  [[nodiscard]] DetectionRates rates(double threshold, RowTimes times = {}) const;
  [[nodiscard]] RocCurve curve() const;

 private:
  /// Calls use(score, positives, negatives) of each distinct score, falling.
  template <typename Use>
  void for_each_score(RowTimes times, Use use) const;

  std::vector<std::uint32_t> order_;    ///< [ranked] rows, by falling score
  std::vector<double> scores_;          ///< [ranked] in that order
  std::vector<std::uint8_t> positive_;  ///< [ranked] in that order
};

}  // namespace temper
