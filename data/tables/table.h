// Rows of text under named columns, and where each stood in its file, so that a later complaint about a row can name
// the place. Several files of one role become one table. Large tables come a chunk at a time (table_source.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

struct Table {
  std::filesystem::path path;                  ///< for messages about the table as a whole
  std::vector<std::string> columns;            ///< names
  std::vector<std::vector<std::string>> rows;  ///< [rows][columns], valid UTF-8
  std::vector<std::size_t> lines;              ///< [rows] line of the file, from 1, where each row begins
  /// Columns that must not be used, each with the sentence that says why: rows that lack it, or two of one name.
  std::map<std::string, std::string, std::less<>> unusable = {};
  /// Of a table from several files: the files, and [rows] which of them each row comes from; else both are empty.
  std::vector<std::filesystem::path> files = {};
  std::vector<std::uint32_t> file_of = {};
  /// The rows are files of pictures, whose paths stand in the first column: there are no lines that a place could name.
  bool of_pictures = false;
};

/// Which columns of a table are used.
struct ColumnChoice {
  std::string text;
  std::string text_pair = {};  ///< empty: one text per row
  std::string label = {};      ///< empty: rows without labels, unless they have indicators
  /// In place of `label`: one column per label, called like it, of 0 and 1.
  std::vector<std::string> indicators = {};

  [[nodiscard]] bool labelled() const { return !label.empty() || !indicators.empty(); }
};

/// Index of the column of this name. Throws Error for one that must not be used, and for one that is not there: that
/// names the nearest column and lists those that the file has.
std::size_t column_index(const Table& table, std::string_view name);

/// Whether there is a column of this name, be it one that must not be used.
bool has_column(const Table& table, std::string_view name);

/// "train.csv, line 7": where a row stands; of pictures, the path of the row's own.
std::string place_of(const Table& table, std::size_t row);

/// A table of the same columns and files that has no rows.
Table without_rows(const Table& table);

/// Moves a row of `from` to the end of `to`, which without_rows() made of it. What is left at its place has no fields.
void move_row(Table& from, std::size_t row, Table& to);

/// The head of the table that several files make: the columns of the first. Columns of another that the first lacks are
/// left out; one that another lacks must not be used. `heads`: tables without rows, at least one.
Table head_of_all(std::vector<Table> heads);

/// For each column of a table where a file has it; nothing where it lies at the same place as in the table, for all.
/// `kNowhere`: the file lacks it.
inline constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
std::vector<std::size_t> places_of_columns(const Table& table, const Table& file);

/// Throws Error, with the byte offset from the beginning of the file, unless `text`, all of a file, is valid UTF-8.
/// Files of other kinds under the name of a text file are called by their kind.
void require_utf8_file(std::string_view text, const std::filesystem::path& path);

/// Throws Error if lines end with a carriage return alone.
void require_line_feeds(std::string_view text, const std::filesystem::path& path);

/// The text without a UTF-8 byte-order mark.
std::string_view without_byte_order_mark(std::string_view text);

}  // namespace temper
