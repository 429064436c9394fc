// Small sets of rows that the tests of batches, masks, caches and loaders share.
#pragma once

#include <cstdint>
#include <vector>

#include "data/token_rows.h"
#include "data/token_store.h"

namespace temper::testing_support {

/// Rows of the given lengths: ids count from 100 on, the class of a row is its number.
inline TokenRows rows_of_lengths(const std::vector<std::int64_t>& lengths) {
  TokenRows rows;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    for (std::int64_t i = 0; i < lengths[row]; ++i) {
      rows.ids.push_back(100 + static_cast<std::int32_t>(rows.ids.size()));
      rows.types.push_back(static_cast<std::int32_t>(i % 2));
    }
    rows.starts.push_back(rows.tokens());
    rows.classes.push_back(static_cast<std::int32_t>(row));
  }
  return rows;
}

/// The same with `width` targets a row, which count from 0, in place of classes.
inline TokenRows rows_with_targets(const std::vector<std::int64_t>& lengths, std::int32_t width) {
  TokenRows rows = rows_of_lengths(lengths);
  rows.classes.clear();
  rows.target_width = width;
  for (std::size_t i = 0; i < lengths.size() * static_cast<std::size_t>(width); ++i)
    rows.targets.push_back(static_cast<float>(i));
  return rows;
}

/// The same with a class for each token, its number, in place of classes of rows.
inline TokenRows rows_with_token_classes(const std::vector<std::int64_t>& lengths) {
  TokenRows rows = rows_of_lengths(lengths);
  rows.classes.clear();
  for (std::size_t i = 0; i < rows.ids.size(); ++i) rows.classes.push_back(static_cast<std::int32_t>(i));
  return rows;
}

/// The same, where each token counts another weight.
inline TokenRows rows_with_weights(const std::vector<std::int64_t>& lengths) {
  TokenRows rows = rows_with_token_classes(lengths);
  for (std::size_t i = 0; i < rows.ids.size(); ++i) rows.weights.push_back(0.5F + static_cast<float>(i));
  return rows;
}

/// What a store holds.
inline TokenRows rows_in(const TokenStore& store) {
  TokenRows rows;
  const auto copy = [](const auto& from, auto& to) { to.assign(from.begin(), from.end()); };
  copy(store.ids(), rows.ids);
  copy(store.types(), rows.types);
  rows.types.resize(rows.ids.size());
  copy(store.starts(), rows.starts);
  copy(store.classes(), rows.classes);
  copy(store.weights(), rows.weights);
  copy(store.targets(), rows.targets);
  rows.target_width = store.target_width();
  return rows;
}

}  // namespace temper::testing_support
