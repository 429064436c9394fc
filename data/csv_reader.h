// Comma- and tab-separated values as RFC 4180 has them.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/table.h"

namespace temper {

/// Reads a file of comma-separated values (RFC 4180): the first row names the columns; a field in quotes may hold
/// commas, new lines and doubled quotes; lines end with LF or CRLF; a UTF-8 byte-order mark is skipped, and so are
/// empty lines. Throws Error naming file and line: a file that is missing, a directory, empty, not UTF-8 (with the byte
/// offset) or without rows; two columns of one name; a row of too few or too many fields; a quote that is not closed;
/// text behind a closing quote.
Table read_csv(const std::filesystem::path& path);
/// The same of a text; `name` stands for the file in messages.
Table parse_csv(std::string_view text, const std::filesystem::path& name);

/// The same with tabs between the fields.
Table read_tsv(const std::filesystem::path& path);
Table parse_tsv(std::string_view text, const std::filesystem::path& name);

}  // namespace temper
