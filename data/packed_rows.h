// Several short rows in one: what an epoch shuffles and a step counts are packs of about the same number of tokens. The
// rows stay sequences of their own, so nothing is attended to across them and positions begin anew in each.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/example_source.h"
#include "data/token_store.h"

namespace temper {

/// Which rows lie in which pack.
struct RowPacks {
  std::vector<std::uint32_t> rows;         ///< [rows] of one pack after the other, rising within each
  std::vector<std::int64_t> starts = {0};  ///< [packs + 1] where each pack begins in `rows`

  friend bool operator==(const RowPacks&, const RowPacks&) = default;
};

/// Puts rows into packs of at most `capacity` tokens: the longest first, each into the fullest pack that has room for
/// it (best-fit decreasing; Johnson 1973; for training texts Ding et al., "Fewer truncations improve language
/// modeling", 2024). Every 65,536 rows, or more where they would fill fewer than 256 packs, are packed for themselves,
/// so that a pack's rows lie near to each other in the store and packing needs little memory. A pure function of its
/// arguments. `row_starts` [rows + 1]. Throws Error for a row that is longer than the capacity, and for more rows than
/// 32 bits can name.
RowPacks pack_rows(std::span<const std::int64_t> row_starts, std::int64_t capacity);

/// The rows of a store in packs. Sequences of a batch are called by their row in the store, wherever they are packed.
class PackedRows final : public ExampleSource {
 public:
  /// Throws Error as pack_rows does. The store's arrays are shared, not copied.
  PackedRows(const TokenStore& store, std::int64_t capacity) : PackedRows(store, capacity, 0, store.rows()) {}
  /// Of rows [first, first + count) of the store alone, which has them.
  PackedRows(const TokenStore& store, std::int64_t capacity, std::int64_t first, std::int64_t count);

  [[nodiscard]] std::int64_t rows() const override { return static_cast<std::int64_t>(packs_->starts.size()) - 1; }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override;
  [[nodiscard]] std::int64_t text_bytes() const override { return store_.text_bytes(); }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override;

  /// Of all places for tokens in the packs, the share that holds one.
  [[nodiscard]] double fill() const;

 private:
  [[nodiscard]] std::span<const std::uint32_t> rows_of(std::int64_t pack) const;

  TokenStore store_;
  std::int64_t capacity_;
  std::int64_t tokens_;  ///< of all packs
  std::int64_t first_;   ///< row of the store that the packs call 0
  std::shared_ptr<const RowPacks> packs_;
};

}  // namespace temper
