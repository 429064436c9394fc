// JSON lines: one object a line.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/table.h"

namespace temper {

/// Reads one JSON object a line (jsonlines.org). The members of the first are the columns; every other object must have
/// them too, in any order, and what it has beyond them is left out. Strings become their text, numbers and true and
/// false their JSON text, null an empty text; arrays and objects are kept as JSON text. Empty lines are skipped. Throws
/// Error: a file that is missing, a directory, empty or not UTF-8 (with the byte offset); with the line, what is no
/// JSON object (with the column) and an object that lacks a member.
Table read_jsonl(const std::filesystem::path& path);
/// The same of a text; `name` stands for the file in messages.
Table parse_jsonl(std::string_view text, const std::filesystem::path& name);

}  // namespace temper
