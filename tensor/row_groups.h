// Rows grouped by an index they share, so that their sum has a fixed order on every device: which rows of a batch add
// to which row of an embedding table's gradient.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/tensor.h"

namespace temper {

/// On the host: the arrays of RowGroups (tensor/calls/embedding.h).
struct HostRowGroups {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> piece_starts;
  std::vector<std::int32_t> row_starts;
  std::vector<std::int32_t> order;
  std::vector<std::int32_t> counts;  ///< of groups and pieces where the arrays are padded, else empty
};

/// Makes the length of every array a function of the number of rows alone.
void pad(HostRowGroups& groups);

/// Rows 0 to indices.size() - 1, grouped by index. An index is not negative.
HostRowGroups group_rows(std::span<const std::int32_t> indices);

/// On the device, i32 each.
struct GroupedRows {
  Tensor ids;
  Tensor piece_starts;
  Tensor row_starts;
  Tensor order;
  Tensor counts;  ///< undefined where the arrays are not padded

  [[nodiscard]] RowGroups groups() const;
};

}  // namespace temper
