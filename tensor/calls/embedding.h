// Rows taken from tables and matrices by their number, and the gradients that go back to them.
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper {

/// The rows of a matrix grouped by an index: group g is what all rows of index ids[g] share. Rows of one group are cut
/// into pieces of at most kPiece, so that a device can sum the pieces side by side and the order is still fixed.
struct RowGroups {
  static constexpr std::int64_t kPiece = 64;
  std::int64_t groups = 0;
  std::int64_t pieces = 0;
  std::int64_t rows = 0;
  const std::int32_t* ids = nullptr;           ///< [groups], ascending, each once
  const std::int32_t* piece_starts = nullptr;  ///< [groups + 1]: pieces of group g
  const std::int32_t* row_starts = nullptr;    ///< [pieces + 1]: places in `order` of piece p
  const std::int32_t* order = nullptr;         ///< [rows]: row numbers, ascending within a group
  /// [2], on a GPU: how many groups and pieces there really are, where `groups` and `pieces` only bound them. Null: so
  /// many.
  const std::int32_t* counts = nullptr;
};

namespace calls {

/// y[t] = words[ids[t]] + positions[position_ids[t]] + types[type_ids[t]]; positions and types may be null. ids are
/// checked by the caller. Tables are [entries, width], f32, or of words also bf16, on CPUs f16 or quantised.
struct EmbeddingSumForward {
  static constexpr KernelId kKernel{"embedding_sum_forward", KernelClass::pass};
  const void* words;
  DType words_type = DType::f32;
  const std::int32_t* ids;
  const float* positions = nullptr;
  const std::int32_t* position_ids = nullptr;
  const float* types = nullptr;
  const std::int32_t* type_ids = nullptr;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// d_table[ids[g]] += the sum of dy over the rows of group g; each piece of a group is summed in the order of its rows,
/// and the pieces in theirs. Rows of the table that do not occur are not touched: the caller clears them.
struct EmbeddingBackward {
  static constexpr KernelId kKernel{"embedding_backward", KernelClass::pass};
  ConstRows dy;
  RowGroups groups;
  float* d_table;
  [[nodiscard]] KernelWork work() const;
};

/// y[i] = x[rows[i]].
struct GatherRows {
  static constexpr KernelId kKernel{"gather_rows", KernelClass::pass};
  ConstRows x;
  const std::int32_t* rows;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// y[rows[i]] = x[i]; no two rows have the same place. The others of y stay as they are.
struct ScatterRows {
  static constexpr KernelId kKernel{"scatter_rows", KernelClass::pass};
  ConstRows x;
  const std::int32_t* rows;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// dx[rows[i]] += dy[i] in the order of i; the caller clears dx.
struct ScatterAddRows {
  static constexpr KernelId kKernel{"scatter_add_rows", KernelClass::pass};
  ConstRows dy;
  const std::int32_t* rows;
  Rows dx;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_EMBEDDING_CALLS(EACH) \
  EACH(EmbeddingSumForward) EACH(EmbeddingBackward) EACH(GatherRows) EACH(ScatterRows) EACH(ScatterAddRows)
