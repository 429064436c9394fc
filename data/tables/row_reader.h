// The rows of one file, one after the other.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tables/table.h"

namespace temper {

/// Takes rows off a text that outlives it. A data format implements this and stands in the table of table_reader.cpp.
class RowReader {
 public:
  virtual ~RowReader() = default;

  /// The fields of the next row; false behind the last. Throws Error, naming file and line, for what is not of the
  /// format, and at the end where there was no row.
  virtual bool next(std::vector<std::string>& fields) = 0;
  /// Bytes of the text that have been read.
  [[nodiscard]] virtual std::size_t taken() const = 0;

  /// Name and columns of the file, and which of them must not be used as far as it has been read; no rows.
  [[nodiscard]] const Table& head() const { return head_; }
  /// Where the last row began, from 1.
  [[nodiscard]] std::size_t line() const { return line_; }

 protected:
  explicit RowReader(const std::filesystem::path& name) { head_.path = name; }

  Table head_;
  std::size_t line_ = 0;
};

/// Makes the reader of a format for a text, all of a file, that is valid UTF-8. `name` stands for the file in messages.
using MakeRowReader = std::unique_ptr<RowReader> (*)(std::string_view text, const std::filesystem::path& name);

/// All rows of a text, which need not be UTF-8 (then Error is thrown).
Table parse_table(MakeRowReader make, std::string_view text, const std::filesystem::path& name);

}  // namespace temper
