// Comma- and tab-separated values (RFC 4180).
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "data/tables/row_reader.h"

namespace temper {

/// Comma-separated values (RFC 4180), all of a file: the first row names the columns; a field in quotes may hold
/// commas, new lines and doubled quotes; lines end with LF or CRLF; a UTF-8 byte-order mark is skipped, and so are
/// empty lines. Columns of one name must not be used. Throws Error, or the reader does, naming file and line: a text
/// that is empty, without rows, or written with another separator; lines that end with CR alone; a row of too few or
/// too many fields; a quote that is not closed; text behind a closing quote.
std::unique_ptr<RowReader> csv_rows(std::string_view text, const std::filesystem::path& name);

/// The same with tabs between the fields.
std::unique_ptr<RowReader> tsv_rows(std::string_view text, const std::filesystem::path& name);

}  // namespace temper
