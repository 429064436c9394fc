// Plain text, one document a line.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/tables/table.h"

namespace temper {

/// A table of one column, "text", with a row for every line that is not blank. A byte-order mark and CR before LF are
/// no part of the text. `name` stands for the file in messages. Throws Error: a text that is not UTF-8 (with the byte
/// offset), without a line that is not blank, or whose lines end with CR alone.
Table parse_text(std::string_view text, const std::filesystem::path& name);

}  // namespace temper
