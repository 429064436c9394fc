// The outputs of all rows beside their labels: what measures need that counts cannot give, such as the order of the
// probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "comm/communicator.h"

namespace temper {

class RowOutputs {
 public:
  RowOutputs() = default;
  /// `several`: any of the labels may be true of a row; else it has one class of them. `groups`: as
  /// ExampleSource::groups has them. All zeros: of rows that another rank computes they stay so.
  RowOutputs(std::int64_t rows, std::int64_t columns, bool several, std::span<const std::int32_t> groups);

  /// Of a row with one class; a negative one is none, and the row is not measured.
  void put(std::int64_t row, std::span<const float> logits, std::int32_t row_class);
  /// Of a row with any labels: `targets` [columns] of 0 and 1.
  void put(std::int64_t row, std::span<const float> logits, std::span<const float> targets);
  /// Collective: from then on of all ranks' rows, the same bits on each.
  void gather(Communicator& communicator);

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t columns() const { return columns_; }
  [[nodiscard]] bool several() const { return several_; }
  /// [rows], or empty.
  [[nodiscard]] std::span<const std::int32_t> groups() const { return groups_; }
  /// How many groups its rows belong to; 0 where they are in none.
  [[nodiscard]] std::int64_t group_count() const;
  [[nodiscard]] std::span<const float> logits(std::int64_t row) const {
    return std::span(logits_).subspan(static_cast<std::size_t>(row * columns_), static_cast<std::size_t>(columns_));
  }
  /// The class of a row that has one; negative where it has none.
  [[nodiscard]] std::int32_t class_of(std::int64_t row) const {
    return static_cast<std::int32_t>(targets_[static_cast<std::size_t>(row)]) - 1;
  }
  [[nodiscard]] bool is_labelled(std::int64_t row) const { return several_ || class_of(row) >= 0; }
  [[nodiscard]] bool is_true(std::int64_t row, std::int64_t column) const {
    return several_ ? targets_[static_cast<std::size_t>(row * columns_ + column)] > 0.5F : class_of(row) == column;
  }
  /// [columns] of one row.
  [[nodiscard]] std::vector<double> probabilities(std::int64_t row, double temperature = 1.0) const;
  /// The probability of one class or label alone, to the bit as in probabilities(row). Costs one exponential, however
  /// many classes there are.
  [[nodiscard]] double probability(std::int64_t row, std::int64_t column) const;

 private:
  /// What a softmax needs of all classes of a row; zeros before it is put.
  struct Normaliser {
    double largest = 0.0;  ///< logit
    double sum = 0.0;      ///< of exp(logit - largest)
  };

  std::int64_t rows_ = 0;
  std::int64_t columns_ = 0;
  bool several_ = false;
  std::vector<float> logits_;            ///< [rows, columns]
  std::vector<float> targets_;           ///< [rows] class + 1, 0: none; of several labels [rows, columns]
  std::vector<Normaliser> normalisers_;  ///< [rows]; none of several labels, each of which stands for itself
  std::vector<std::int32_t> groups_;
};

}  // namespace temper
