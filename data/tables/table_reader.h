// The reader that belongs to a file, and the files that a name stands for.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/tables/table.h"

namespace temper {

/// Reads a table by the extension of its file name: .csv, .tsv, .jsonl, .json or .txt, each also with .gz behind it.
/// Throws Error as the readers do, and for another extension, naming those that are known or how to convert the file.
Table read_table(const std::filesystem::path& path);

/// Several files as one table (concatenate_tables).
Table read_tables(std::span<const std::filesystem::path> paths);

/// The files that names stand for, in their order: a name with *, ? or [ that is no file itself is a pattern, and
/// stands for what fits it, sorted bytewise. Throws Error for a pattern that nothing fits.
std::vector<std::filesystem::path> files_named(std::span<const std::string> names);

}  // namespace temper
