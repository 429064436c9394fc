// A table whose rows are read a chunk at a time, as often as somebody looks at them, so that a file may have any
// number.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/tables/table.h"

namespace temper {

class TableSource {
 public:
  /// Takes a chunk, whose rows it may move away, and the number of its first row; gives back whether to go on.
  using Use = std::function<bool(Table& chunk, std::int64_t first)>;

  virtual ~TableSource() = default;

  /// The table without its rows: name, columns, files.
  [[nodiscard]] const Table& head() const { return head_; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  /// [files] rows that come from each.
  [[nodiscard]] const std::vector<std::int64_t>& rows_of_files() const { return rows_of_files_; }

  /// Reads from the first row on, at most `most` rows at a time. Throws Error as the readers do, and what `use` throws.
  virtual void read(std::int64_t most, const Use& use) const = 0;

 protected:
  Table head_;
  std::int64_t rows_ = 0;
  std::vector<std::int64_t> rows_of_files_;
};

/// Rows that are in memory anyway.
class HeldTable final : public TableSource {
 public:
  explicit HeldTable(Table table);
  void read(std::int64_t most, const Use& use) const override;

 private:
  Table table_;
};

/// The rows of a source that are wanted, in their order. The source must outlive it.
class PartOfTable final : public TableSource {
 public:
  /// `rows_of_files`: how many are wanted, of each file.
  PartOfTable(const TableSource& whole, std::function<bool(const std::vector<std::string>& row)> wanted,
              std::vector<std::int64_t> rows_of_files);
  void read(std::int64_t most, const Use& use) const override;

 private:
  const TableSource& whole_;
  std::function<bool(const std::vector<std::string>&)> wanted_;
};

/// How many rows those who look at a whole table take at a time.
inline constexpr std::int64_t kRowsInChunk = 8192;

}  // namespace temper
