// Several sources as one, each with its share of an epoch: old data beside new, so that a network keeps what it knew
// (replay; Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", 1995).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/example_source.h"

namespace temper {

/// A source and its weight, above 0: of two of weights 3 and 1 the second has a quarter of an epoch.
struct WeightedSource {
  std::shared_ptr<const ExampleSource> source;
  double weight = 1.0;
};

/// An epoch takes each row of the first source once, and of the others as many as their weights say. Each of those is
/// walked through pass by pass, over the ends of epochs, so that none of its rows comes twice before all came once.
/// What stands at a position is a pure function of (seed, epoch, position); a mixture of one source is that source.
///
/// Rows are numbered through: those of the first source, then those of the second. Transforms are given to the mixture,
/// not to its parts, so that the numbers they draw are of rows that differ.
class Mixture final : public ExampleSource {
 public:
  /// Throws Error where there is no source, one has no rows, a weight is not above 0, an epoch would have more rows
  /// than 32 bits can number, or the sources have targets of different widths.
  explicit Mixture(std::vector<WeightedSource> parts);

  [[nodiscard]] std::int64_t rows() const override { return first_row_.back(); }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override;
  [[nodiscard]] std::int32_t target_width() const override { return parts_.front().source->target_width(); }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override;
  [[nodiscard]] std::int64_t epoch_rows() const override { return epoch_rows_; }
  [[nodiscard]] double passes(std::int64_t row) const override;
  [[nodiscard]] std::size_t parts() const { return parts_.size(); }
  /// Rows of a source, and how many rows an epoch takes of it.
  [[nodiscard]] std::int64_t rows_of(std::size_t part) const { return parts_[part].source->rows(); }
  [[nodiscard]] std::int64_t rows_taken(std::size_t part) const { return taken_[part]; }
  [[nodiscard]] std::vector<std::uint32_t> order_of(std::uint64_t seed, std::int64_t epoch,
                                                    bool shuffle) const override;

 private:
  [[nodiscard]] std::size_t part_of(std::int64_t row) const;

  std::vector<WeightedSource> parts_;
  std::vector<std::int64_t> first_row_;  ///< [parts + 1]
  std::vector<std::int64_t> taken_;      ///< [parts] rows of each in an epoch
  std::int64_t epoch_rows_ = 0;
};

}  // namespace temper
