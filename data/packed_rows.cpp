#include "data/packed_rows.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "data/sampler.h"

namespace temper {
namespace {

constexpr std::int64_t kRowsInWindow = 65'536;
constexpr std::int64_t kPacksInWindow = 256;

/// The packs that are not full, by the tokens that they have room for.
class OpenPacks {
 public:
  explicit OpenPacks(std::int64_t capacity)
      : packs_(static_cast<std::size_t>(capacity) + 1), any_(packs_.size() / kBits + 1) {}

  void add(std::int64_t room, std::uint32_t pack) {
    const auto place = static_cast<std::size_t>(room);
    packs_[place].push_back(pack);
    any_[place / kBits] |= std::uint64_t{1} << (place % kBits);
  }

  /// Takes out the pack with the least room of at least `length`; gives back its room, or -1 where none has it.
  std::int64_t take(std::int64_t length, std::uint32_t& pack) {
    auto word = static_cast<std::size_t>(length) / kBits;
    std::uint64_t bits = any_[word] & (~std::uint64_t{0} << (static_cast<std::size_t>(length) % kBits));
    while (bits == 0) {
      if (++word == any_.size()) return -1;
      bits = any_[word];
    }
    const std::size_t place = word * kBits + static_cast<std::size_t>(std::countr_zero(bits));
    pack = packs_[place].back();
    packs_[place].pop_back();
    if (packs_[place].empty()) any_[word] &= ~(std::uint64_t{1} << (place % kBits));
    return static_cast<std::int64_t>(place);
  }

 private:
  static constexpr std::size_t kBits = 64;
  std::vector<std::vector<std::uint32_t>> packs_;
  std::vector<std::uint64_t> any_;
};

/// Packs rows [begin, end) and puts them behind what is packed.
void pack_window(std::span<const std::int64_t> row_starts, std::size_t begin, std::size_t end, std::int64_t capacity,
                 RowPacks& packs) {
  const auto length = [&](std::size_t row) { return row_starts[row + 1] - row_starts[row]; };
  std::vector<std::uint32_t> longest_first(end - begin);
  for (std::size_t i = 0; i < longest_first.size(); ++i) longest_first[i] = static_cast<std::uint32_t>(begin + i);
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return length(a) > length(b); });
  OpenPacks open(capacity);
  std::vector<std::vector<std::uint32_t>> rows_of;
  for (const std::uint32_t row : longest_first) {
    std::uint32_t pack = 0;
    std::int64_t room = open.take(length(row), pack);
    if (room < 0) {
      pack = static_cast<std::uint32_t>(rows_of.size());
      rows_of.emplace_back();
      room = capacity;
    }
    rows_of[pack].push_back(row);
    if (room > length(row)) open.add(room - length(row), pack);
  }
  for (std::vector<std::uint32_t>& rows : rows_of) {
    std::sort(rows.begin(), rows.end());
    packs.rows.insert(packs.rows.end(), rows.begin(), rows.end());
    packs.starts.push_back(static_cast<std::int64_t>(packs.rows.size()));
  }
}

}  // namespace

RowPacks pack_rows(std::span<const std::int64_t> row_starts, std::int64_t capacity) {
  if (capacity < 1) throw Error("packs of {} were asked for, expected at least 1", counted(capacity, "token"));
  const std::size_t rows = row_starts.size() - 1;
  require_nameable(static_cast<std::int64_t>(rows));
  for (std::size_t row = 0; row < rows; ++row)
    if (row_starts[row + 1] - row_starts[row] > capacity)
      throw Error("row {} has {}, but a pack holds {}; cut it first", row + 1,
                  counted(row_starts[row + 1] - row_starts[row], "token"), capacity);
  RowPacks packs;
  packs.rows.reserve(rows);
  const auto is_window = [&](std::size_t begin, std::size_t end) {
    return static_cast<std::int64_t>(end - begin) >= kRowsInWindow &&
           row_starts[end] - row_starts[begin] >= kPacksInWindow * capacity;
  };
  for (std::size_t begin = 0; begin < rows;) {
    std::size_t end = std::min(rows, begin + static_cast<std::size_t>(kRowsInWindow));
    while (end < rows && !is_window(begin, end)) ++end;
    // A rest that makes no window of its own would leave packs half empty.
    if (!is_window(end, rows)) end = rows;
    pack_window(row_starts, begin, end, capacity, packs);
    begin = end;
  }
  return packs;
}

PackedRows::PackedRows(const TokenStore& store, std::int64_t capacity, std::int64_t first, std::int64_t count)
    : store_(store), capacity_(capacity), first_(first) {
  const auto starts = store.starts().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count) + 1);
  tokens_ = starts.back() - starts.front();
  packs_ = std::make_shared<const RowPacks>(pack_rows(starts, capacity));
}

std::span<const std::uint32_t> PackedRows::rows_of(std::int64_t pack) const {
  const auto begin = static_cast<std::size_t>(packs_->starts[static_cast<std::size_t>(pack)]);
  const auto end = static_cast<std::size_t>(packs_->starts[static_cast<std::size_t>(pack) + 1]);
  return std::span(packs_->rows).subspan(begin, end - begin);
}

std::int64_t PackedRows::cost(std::int64_t row) const {
  std::int64_t tokens = 0;
  for (const std::uint32_t of_packs : rows_of(row)) tokens += store_.length(first_ + of_packs);
  return tokens;
}

void PackedRows::append(std::int64_t row, std::uint32_t /*example*/, Batch& batch) const {
  for (const std::uint32_t of_packs : rows_of(row)) {
    const std::int64_t of_store = first_ + of_packs;
    store_.append(of_store, static_cast<std::uint32_t>(of_store), batch);
  }
}

double PackedRows::fill() const {
  if (rows() == 0) return 0.0;
  return static_cast<double>(tokens_) / (static_cast<double>(rows()) * static_cast<double>(capacity_));
}

}  // namespace temper
