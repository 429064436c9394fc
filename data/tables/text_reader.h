// Plain text: a document per line, per paragraph, or per file.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "data/tables/row_reader.h"

namespace temper {

/// A table of one column, "text", with a row for every line that is not blank. A byte-order mark and CR before LF are
/// no part of the text. Throws Error, or the reader does: a text without a line that is not blank, or whose lines end
/// with CR alone.
std::unique_ptr<RowReader> text_rows(std::string_view text, const std::filesystem::path& name);

/// The same with a row for every paragraph: lines up to the next that is blank, with the line feeds between them.
std::unique_ptr<RowReader> paragraph_rows(std::string_view text, const std::filesystem::path& name);

/// The same with one row, the whole text.
std::unique_ptr<RowReader> whole_text_rows(std::string_view text, const std::filesystem::path& name);

}  // namespace temper
