// JSON objects: one per line, or one array of them.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "data/tables/row_reader.h"

namespace temper {

/// One JSON object per line (jsonlines.org). The members of the first are the columns; additional members of later
/// objects are ignored, and a column that one of them lacks must not be used. Strings become their text, numbers their
/// digits as they stand, true and false their names, null an empty text; arrays and objects are kept as JSON text. Of
/// members of one name the last counts. Empty lines are skipped. Throws Error, or the reader does: a text that is
/// empty; with the line, what is no JSON object (with the column).
std::unique_ptr<RowReader> jsonl_rows(std::string_view text, const std::filesystem::path& name);

/// One array of such objects, formatted in any way; a text that begins with an object is read as one object per line.
std::unique_ptr<RowReader> json_rows(std::string_view text, const std::filesystem::path& name);

}  // namespace temper
