#include "comm/exchange/sparse_table.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/error.h"

namespace temper {
namespace {

void append(std::vector<ElementRange>& ranges, ElementRange range) {
  if (range.begin >= range.end) return;
  if (!ranges.empty() && ranges.back().end == range.begin) {
    ranges.back().end = range.end;
  } else {
    ranges.push_back(range);
  }
}

}  // namespace

RowSet RowSet::all(std::int64_t rows) {
  RowSet set(rows);
  for (std::int64_t row = 0; row < rows; ++row) set.insert(row);
  return set;
}

void RowSet::insert_all_of(const RowSet& other) {
  if (other.rows_ != rows_)
    throw Error("sets of the rows of two tables, of {} and {} rows, were put together", rows_, other.rows_);
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

std::int64_t RowSet::count() const {
  return std::accumulate(words_.begin(), words_.end(), std::int64_t{0},
                         [](std::int64_t count, std::uint64_t word) { return count + std::popcount(word); });
}

TablePlace::TablePlace(const ArenaLayout& layout, const SparseTable& table) : width_(table.width) {
  const auto index = static_cast<std::size_t>(table.slot);
  if (table.slot < 0 || index >= layout.slots().size() || width_ < 1 ||
      layout.slots()[index].size != width_ * table.trained.rows())
    throw Error("slot {} of the arena is not a table of {} rows of {}", table.slot, table.trained.rows(), width_);
  begin_ = layout.slots()[index].begin;
  end_ = begin_ + layout.slots()[index].size;
}

std::vector<ElementRange> TablePlace::inside(const RowSet& rows, ElementRange within) const {
  std::vector<ElementRange> ranges;
  if (!meets(within)) return ranges;
  const std::int64_t first = (std::max(within.begin, begin_) - begin_) / width_;
  const std::int64_t last = (std::min(within.end, end_) - begin_ + width_ - 1) / width_;
  const std::span<const std::uint64_t> words = rows.words();
  for (std::int64_t row = first; row < last;) {
    // Most words have no bit set.
    const std::uint64_t rest = words[static_cast<std::size_t>(row / 64)] >> (row % 64);
    if (rest == 0) {
      row = (row / 64 + 1) * 64;
      continue;
    }
    row += std::countr_zero(rest);
    if (row >= last) break;
    const std::int64_t begin = begin_ + row * width_;
    append(ranges, {std::max(begin, within.begin), std::min(begin + width_, within.end)});
    ++row;
  }
  return ranges;
}

std::vector<ElementRange> TablePlace::live(const RowSet& rows, ElementRange within) const {
  if (!meets(within)) return {within};
  std::vector<ElementRange> ranges;
  append(ranges, {within.begin, std::min(begin_, within.end)});
  for (const ElementRange range : inside(rows, within)) append(ranges, range);
  append(ranges, {std::max(end_, within.begin), within.end});
  return ranges;
}

std::vector<ElementRange> between(std::span<const ElementRange> ranges, ElementRange within) {
  std::vector<ElementRange> gaps;
  std::int64_t end = within.begin;
  for (const ElementRange range : ranges) {
    append(gaps, {end, range.begin});
    end = range.end;
  }
  append(gaps, {end, within.end});
  return gaps;
}

std::int64_t total_size(std::span<const ElementRange> ranges) {
  return std::accumulate(ranges.begin(), ranges.end(), std::int64_t{0},
                         [](std::int64_t size, ElementRange range) { return size + range.size(); });
}

}  // namespace temper
