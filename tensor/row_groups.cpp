#include "tensor/row_groups.h"

#include <algorithm>

namespace temper {

HostRowGroups group_rows(std::span<const std::int32_t> indices) {
  // Index in the upper half, row in the lower: sorted, rows of one index stand together in their order.
  std::vector<std::uint64_t> keys;
  keys.reserve(indices.size());
  for (std::size_t row = 0; row < indices.size(); ++row)
    keys.push_back(static_cast<std::uint64_t>(indices[row]) << 32 | row);
  std::sort(keys.begin(), keys.end());

  HostRowGroups groups;
  groups.order.reserve(keys.size());
  std::int64_t in_piece = 0;
  for (const std::uint64_t key : keys) {
    const auto index = static_cast<std::int32_t>(key >> 32);
    const bool new_group = groups.ids.empty() || groups.ids.back() != index;
    if (new_group) {
      groups.ids.push_back(index);
      groups.piece_starts.push_back(static_cast<std::int32_t>(groups.row_starts.size()));
    }
    if (new_group || in_piece == RowGroups::kPiece) {
      groups.row_starts.push_back(static_cast<std::int32_t>(groups.order.size()));
      in_piece = 0;
    }
    groups.order.push_back(static_cast<std::int32_t>(key & 0xFFFFFFFFU));
    ++in_piece;
  }
  groups.piece_starts.push_back(static_cast<std::int32_t>(groups.row_starts.size()));
  groups.row_starts.push_back(static_cast<std::int32_t>(groups.order.size()));
  return groups;
}

void pad(HostRowGroups& groups) {
  groups.counts = {static_cast<std::int32_t>(groups.ids.size()),
                   static_cast<std::int32_t>(groups.row_starts.size()) - 1};
  const std::size_t rows = groups.order.size();
  groups.ids.resize(rows);
  groups.piece_starts.resize(rows + 1);
  groups.row_starts.resize(rows + 1);
}

RowGroups GroupedRows::groups() const {
  const auto data = [](const Tensor& tensor) { return tensor.data<std::int32_t>(); };
  RowGroups groups{ids.size(),         row_starts.size() - 1, order.size(), data(ids),
                   data(piece_starts), data(row_starts),      data(order)};
  if (counts.defined()) groups.counts = data(counts);
  return groups;
}

}  // namespace temper
