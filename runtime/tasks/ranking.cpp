#include "runtime/tasks/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace temper {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double part_of(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? kUndefined : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Ranking::Ranking(std::span<const double> scores, std::span<const std::uint8_t> positive) {
  // NaN has no place in an order.
  if (std::any_of(scores.begin(), scores.end(), [](double score) { return std::isnan(score); })) return;
  // Side by side, since sorting row numbers by scores elsewhere would wait for memory.
  struct Ranked {
    double score;
    std::uint32_t row;
  };
  std::vector<Ranked> ranked;
  ranked.reserve(scores.size());
  for (std::uint32_t row = 0; row < scores.size(); ++row)
    if (positive[row] != kNeither) ranked.push_back({scores[row], row});
  // Of equal scores the order says nothing, but is always the same.
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  });
  order_.reserve(ranked.size());
  scores_.reserve(ranked.size());
  positive_.reserve(ranked.size());
  for (const Ranked& entry : ranked) {
    order_.push_back(entry.row);
    scores_.push_back(entry.score);
    positive_.push_back(positive[entry.row]);
  }
}

template <typename Use>
void Ranking::for_each_score(RowTimes times, Use use) const {
  for (std::size_t i = 0; i < scores_.size();) {
    const double score = scores_[i];
    std::int64_t positives = 0;
    std::int64_t negatives = 0;
    for (; i < scores_.size() && scores_[i] == score; ++i) {
      const std::int64_t count = times.empty() ? 1 : times[order_[i]];
      (positive_[i] != 0 ? positives : negatives) += count;
    }
    use(score, positives, negatives);
  }
}

double Ranking::auroc(RowTimes times) const {
  std::int64_t positives = 0;
  std::int64_t negatives = 0;
  // Twice the number of pairs that are in order: whole numbers, whatever the order of the sum.
  double twice_in_order = 0.0;
  for_each_score(times, [&](double /*score*/, std::int64_t of_positives, std::int64_t of_negatives) {
    twice_in_order += static_cast<double>(of_negatives) * static_cast<double>(2 * positives + of_positives);
    positives += of_positives;
    negatives += of_negatives;
  });
  if (positives == 0 || negatives == 0) return kUndefined;
  return twice_in_order / (2.0 * static_cast<double>(positives) * static_cast<double>(negatives));
}

double Ranking::average_precision(RowTimes times) const {
  std::int64_t positives = 0;
  std::int64_t negatives = 0;
  double sum = 0.0;
  for_each_score(times, [&](double /*score*/, std::int64_t of_positives, std::int64_t of_negatives) {
    positives += of_positives;
    negatives += of_negatives;
    if (of_positives > 0) sum += static_cast<double>(of_positives) * part_of(positives, positives + negatives);
  });
  return positives == 0 ? kUndefined : sum / static_cast<double>(positives);
}

DetectionRates Ranking::rates(double threshold, RowTimes times) const {
  std::int64_t positives = 0;
  std::int64_t negatives = 0;
  std::int64_t true_positives = 0;
  std::int64_t true_negatives = 0;
  for (std::size_t i = 0; i < scores_.size(); ++i) {
    const std::int64_t count = times.empty() ? 1 : times[order_[i]];
    const bool called = scores_[i] >= threshold;
    (positive_[i] != 0 ? positives : negatives) += count;
    if (positive_[i] != 0 && called) true_positives += count;
    if (positive_[i] == 0 && !called) true_negatives += count;
  }
  return {part_of(true_positives, positives), part_of(true_negatives, negatives)};
}

RocCurve Ranking::curve() const {
  RocCurve curve;
  curve.points.push_back({std::numeric_limits<double>::infinity(), 0, 0});
  for_each_score({}, [&](double score, std::int64_t of_positives, std::int64_t of_negatives) {
    curve.positives += of_positives;
    curve.negatives += of_negatives;
    curve.points.push_back({score, curve.positives, curve.negatives});
  });
  return curve;
}

}  // namespace temper
