// What a reader yields: named columns of text, and where each row stood in its file, so that a later complaint about a
// row can name the place.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

struct Table {
  std::filesystem::path path;                  ///< for messages
  std::vector<std::string> columns;            ///< names, all different
  std::vector<std::vector<std::string>> rows;  ///< [rows][columns], valid UTF-8
  std::vector<std::size_t> lines;              ///< [rows] line of the file, from 1, where each row begins
};

/// Index of the column of this name. Throws Error that names the nearest column and lists those that the file has.
std::size_t column_index(const Table& table, std::string_view name);

/// Throws Error, with the byte offset from the begin of the file, unless `text`, all of a file, is valid UTF-8.
void require_utf8_file(std::string_view text, const std::filesystem::path& path);

/// The text without a UTF-8 byte-order mark.
std::string_view without_byte_order_mark(std::string_view text);

}  // namespace temper
