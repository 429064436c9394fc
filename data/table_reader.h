// The reader that belongs to a file.
#pragma once

#include <filesystem>

#include "data/table.h"

namespace temper {

/// Reads a table by the extension of its file name: .csv, .tsv or .jsonl. Throws Error as the readers do, and for
/// another extension, naming those that are known.
Table read_table(const std::filesystem::path& path);

}  // namespace temper
