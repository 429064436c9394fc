#include "data/batch.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "base/error.h"

namespace temper {

std::int64_t Batch::max_length() const {
  std::int32_t longest = 0;
  for (std::size_t s = 1; s < sequence_starts.size(); ++s)
    longest = std::max(longest, sequence_starts[s] - sequence_starts[s - 1]);
  return longest;
}

Batch pack(const Dataset& dataset, std::span<const std::int64_t> rows) {
  std::int64_t tokens = 0;
  for (const std::int64_t row : rows) {
    if (row < 0 || row >= dataset.rows() || std::cmp_greater(row, std::numeric_limits<std::uint32_t>::max()))
      throw Error("row {} was asked for, the dataset has {} (and a batch can name 4294967295)", row, dataset.rows());
    tokens += dataset.length(row);
  }
  if (tokens > std::numeric_limits<std::int32_t>::max())
    throw Error("a batch of {} tokens is too large, at most {} fit; lower the batch size or raise the number of grains",
                tokens, std::numeric_limits<std::int32_t>::max());

  Batch batch;
  batch.target_width = dataset.target_width;
  const auto width = static_cast<std::size_t>(dataset.target_width);
  const bool has_token_classes = dataset.has_token_classes();
  batch.ids.reserve(static_cast<std::size_t>(tokens));
  batch.types.reserve(static_cast<std::size_t>(tokens));
  batch.positions.reserve(static_cast<std::size_t>(tokens));
  batch.sequence_starts.reserve(rows.size() + 1);
  batch.examples.reserve(rows.size());
  const auto append = [](auto& to, const auto& from, std::size_t first, std::size_t count) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  };
  for (const std::int64_t row : rows) {
    const auto r = static_cast<std::size_t>(row);
    const auto first = static_cast<std::size_t>(dataset.starts[r]);
    const auto length = static_cast<std::size_t>(dataset.length(row));
    append(batch.ids, dataset.ids, first, length);
    append(batch.types, dataset.types, first, length);
    for (std::size_t i = 0; i < length; ++i) batch.positions.push_back(static_cast<std::int32_t>(i));
    batch.sequence_starts.push_back(static_cast<std::int32_t>(batch.ids.size()));
    batch.examples.push_back(static_cast<std::uint32_t>(row));
    if (has_token_classes) {
      append(batch.classes, dataset.classes, first, length);
    } else if (!dataset.classes.empty()) {
      batch.classes.push_back(dataset.classes[r]);
    }
    append(batch.targets, dataset.targets, r * width, width);
  }
  return batch;
}

}  // namespace temper
