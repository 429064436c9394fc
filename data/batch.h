// Rows packed for the model: tokens of all sequences one after the other, no padding anywhere.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace temper {

struct Batch {
  std::vector<std::int32_t> ids;                    ///< [tokens]
  std::vector<std::int32_t> types;                  ///< [tokens]
  std::vector<std::int32_t> positions;              ///< [tokens] place in its sequence, from 0
  std::vector<std::int32_t> sequence_starts = {0};  ///< [sequences + 1]
  std::vector<std::uint32_t> examples;              ///< [sequences] row of the dataset: names the example wherever
                                                    ///< random numbers are drawn for it
  std::vector<std::int32_t> classes;                ///< [sequences], or [tokens] with kUnlabelled; empty without
  std::vector<float> targets;                       ///< [sequences, target_width]
  std::int32_t target_width = 0;

  [[nodiscard]] std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  [[nodiscard]] std::int64_t sequences() const { return static_cast<std::int64_t>(sequence_starts.size()) - 1; }
  /// Tokens of the longest sequence; 0 of none.
  [[nodiscard]] std::int64_t max_length() const;

  friend bool operator==(const Batch&, const Batch&) = default;
};

/// Packs rows of a dataset in the order given; none give an empty batch. Throws Error for a row that the dataset does
/// not have, and for more tokens than 32 bits can number.
Batch pack(const Dataset& dataset, std::span<const std::int64_t> rows);

}  // namespace temper
