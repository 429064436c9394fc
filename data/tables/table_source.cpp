#include "data/tables/table_source.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace temper {
namespace {

/// Which of the table's files row `row` of a chunk comes from.
std::size_t file_of(const Table& chunk, std::size_t row) { return chunk.file_of.empty() ? 0 : chunk.file_of[row]; }

}  // namespace

HeldTable::HeldTable(Table table) : table_(std::move(table)) {
  head_ = without_rows(table_);
  rows_ = static_cast<std::int64_t>(table_.rows.size());
  rows_of_files_.resize(std::max<std::size_t>(1, table_.files.size()));
  for (std::size_t row = 0; row < table_.rows.size(); ++row) ++rows_of_files_[file_of(table_, row)];
}

void HeldTable::read(std::int64_t most, const Use& use) const {
  for (std::int64_t first = 0; first < rows_; first += most) {
    Table chunk = head_;
    const std::int64_t end = std::min(rows_, first + most);
    const auto copy = [&](const auto& from, auto& to) {
      if (!from.empty()) to.assign(from.begin() + first, from.begin() + end);
    };
    copy(table_.rows, chunk.rows);
    copy(table_.lines, chunk.lines);
    copy(table_.file_of, chunk.file_of);
    if (!use(chunk, first)) return;
  }
}

PartOfTable::PartOfTable(const TableSource& whole, std::function<bool(const std::vector<std::string>&)> wanted,
                         std::vector<std::int64_t> rows_of_files)
    : whole_(whole), wanted_(std::move(wanted)) {
  head_ = whole.head();
  rows_ = std::accumulate(rows_of_files.begin(), rows_of_files.end(), std::int64_t{0});
  rows_of_files_ = std::move(rows_of_files);
}

void PartOfTable::read(std::int64_t most, const Use& use) const {
  std::int64_t first = 0;
  whole_.read(most, [&](Table& chunk, std::int64_t) {
    Table part = head_;
    for (std::size_t row = 0; row < chunk.rows.size(); ++row)
      if (wanted_(chunk.rows[row])) move_row(chunk, row, part);
    if (part.rows.empty()) return true;
    const auto count = static_cast<std::int64_t>(part.rows.size());
    return use(part, std::exchange(first, first + count));
  });
}

}  // namespace temper
