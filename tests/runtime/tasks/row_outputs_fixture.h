// Outputs of rows that whole-number formulas give, whose measures scikit-learn was asked for once.
#pragma once

#include <vector>

#include "runtime/tasks/row_outputs.h"

namespace temper::testing_support {

inline constexpr int kMeasuredRows = 60;

inline float logit_of_two(int row, int column) {
  return static_cast<float>(column == 0 ? (row * 7) % 11 - 5 : (row * 5 + row * row) % 13 - 6) / 4.0F;
}
inline int class_of_two(int row) {
  if (logit_of_two(row, 1) - logit_of_two(row, 0) > 1.0F) return 1;
  return (row * row + 3 * row) % 7 > 3 ? 1 : 0;
}

/// Calls put(row) of the rows that a rank has, all of them by default.
template <typename Put>
void for_each_row_of(int rank, int ranks, Put put) {
  for (int row = 0; row < kMeasuredRows; ++row)
    if (row / 7 % ranks == rank) put(row);
}

inline RowOutputs two_classes(int rank = 0, int ranks = 1, std::vector<std::int32_t> groups = {}) {
  RowOutputs outputs(kMeasuredRows, 2, false, groups);
  for_each_row_of(rank, ranks, [&](int row) {
    outputs.put(row, std::vector<float>{logit_of_two(row, 0), logit_of_two(row, 1)}, class_of_two(row));
  });
  return outputs;
}

inline RowOutputs four_classes(int rank = 0, int ranks = 1) {
  RowOutputs outputs(kMeasuredRows, 4, false, {});
  for_each_row_of(rank, ranks, [&](int r) {
    std::vector<float> logits;
    for (int c = 0; c < 4; ++c)
      logits.push_back(static_cast<float>((r * (c + 3) + c * r * r) % (9 + 2 * c) - 4) / 4.0F);
    outputs.put(r, logits, r % 3 == 0 ? r % 4 : (r * r + r) % 4);
  });
  return outputs;
}

inline RowOutputs three_labels(int rank = 0, int ranks = 1) {
  RowOutputs outputs(kMeasuredRows, 3, true, {});
  for_each_row_of(rank, ranks, [&](int r) {
    std::vector<float> logits;
    std::vector<float> truths;
    for (int c = 0; c < 3; ++c) {
      logits.push_back(static_cast<float>((r * (2 * c + 3)) % 17 - 8) / 4.0F);
      truths.push_back((r * r + c * r) % (c + 3) == 0 ? 1.0F : 0.0F);
    }
    outputs.put(r, logits, truths);
  });
  return outputs;
}

}  // namespace temper::testing_support
