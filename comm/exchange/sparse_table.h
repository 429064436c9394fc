// A parameter with a sparse gradient, zero in all but a few rows: a table of which each token reads one row. Those rows
// are known before the backward pass, so the others are skipped: only ranges of elements are cleared, summed, sent,
// squared and updated, and this file says which.
//
// Note: skipping rows changes no bit. A sum of zeros is zero, and adding zero to a sum of squares does not change it;
// so it is always safe to include more rows than needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/arena.h"

namespace temper {

/// Some of the rows of a table, one bit each.
class RowSet {
 public:
  RowSet() = default;
  explicit RowSet(std::int64_t rows) : rows_(rows), words_(words_for(rows)) {}
  static RowSet all(std::int64_t rows);

  void insert(std::int64_t row) { words_[word_of(row)] |= bit_of(row); }
  void insert_all_of(const RowSet& other);
  /// The rows that these ids name; one may occur more than once.
  void insert_all_of(std::span<const std::int32_t> ids) {
    for (const std::int32_t id : ids) insert(id);
  }
  [[nodiscard]] bool contains(std::int64_t row) const { return (words_[word_of(row)] & bit_of(row)) != 0; }
  [[nodiscard]] std::int64_t count() const;
  /// Rows of the table, whether in the set or not.
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  /// The bits, as ranks show them to each other: words_for(rows()) words.
  [[nodiscard]] std::span<std::uint64_t> words() { return words_; }
  [[nodiscard]] std::span<const std::uint64_t> words() const { return words_; }
  static std::size_t words_for(std::int64_t rows) { return static_cast<std::size_t>((rows + 63) / 64); }

  friend bool operator==(const RowSet&, const RowSet&) = default;

 private:
  static std::size_t word_of(std::int64_t row) { return static_cast<std::size_t>(row) / 64; }
  static std::uint64_t bit_of(std::int64_t row) { return std::uint64_t{1} << (static_cast<std::uint64_t>(row) % 64); }

  std::int64_t rows_ = 0;
  std::vector<std::uint64_t> words_;
};

/// Which slot of an arena is such a table, and which of its rows training ever reads: the same on all ranks.
struct SparseTable {
  std::int64_t slot = -1;
  std::int64_t width = 0;  ///< of a row, in elements
  RowSet trained;
};

/// A sparse table in its place in the arena.
class TablePlace {
 public:
  /// Throws Error where the slot is no table of so many rows.
  TablePlace(const ArenaLayout& layout, const SparseTable& table);

  [[nodiscard]] std::int64_t rows() const { return (end_ - begin_) / width_; }
  [[nodiscard]] bool meets(ElementRange range) const { return range.begin < end_ && begin_ < range.end; }
  /// The part of `within` in these rows: ascending ranges that do not touch.
  [[nodiscard]] std::vector<ElementRange> inside(const RowSet& rows, ElementRange within) const;
  /// The part of `within` in these rows or outside the table.
  [[nodiscard]] std::vector<ElementRange> live(const RowSet& rows, ElementRange within) const;

 private:
  std::int64_t begin_;
  std::int64_t end_;
  std::int64_t width_;
};

/// The part of `within` outside the ranges, which are ascending parts of it.
std::vector<ElementRange> between(std::span<const ElementRange> ranges, ElementRange within);

/// Elements in all.
std::int64_t total_size(std::span<const ElementRange> ranges);

}  // namespace temper
