// Small datasets that the tests of batches, masks, caches and loaders share.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace temper::testing_support {

/// Rows of the given lengths: ids count from 100 on, the class of a row is its number.
inline Dataset dataset_of(const std::vector<std::int64_t>& lengths) {
  Dataset dataset;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    for (std::int64_t i = 0; i < lengths[row]; ++i) {
      dataset.ids.push_back(100 + static_cast<std::int32_t>(dataset.ids.size()));
      dataset.types.push_back(static_cast<std::int32_t>(i % 2));
    }
    dataset.starts.push_back(dataset.tokens());
    dataset.classes.push_back(static_cast<std::int32_t>(row));
  }
  return dataset;
}

/// The same with `width` targets a row, which count from 0, in place of classes.
inline Dataset dataset_with_targets(const std::vector<std::int64_t>& lengths, std::int32_t width) {
  Dataset dataset = dataset_of(lengths);
  dataset.classes.clear();
  dataset.target_width = width;
  for (std::size_t i = 0; i < lengths.size() * static_cast<std::size_t>(width); ++i)
    dataset.targets.push_back(static_cast<float>(i));
  return dataset;
}

/// The same with a class for each token, its number, in place of classes of rows.
inline Dataset dataset_with_token_classes(const std::vector<std::int64_t>& lengths) {
  Dataset dataset = dataset_of(lengths);
  dataset.classes.clear();
  for (std::size_t i = 0; i < dataset.ids.size(); ++i) dataset.classes.push_back(static_cast<std::int32_t>(i));
  return dataset;
}

}  // namespace temper::testing_support
