// Tokenised rows kept in a folder between runs, one HDF5 file an entry. The folder may be shared by runs and ranks:
// entries appear whole, and what is damaged or foreign counts as absent. HDF5 is not thread-safe: call these from one
// thread at a time, the one that makes all other HDF5 calls of the program.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data/dataset.h"

namespace temper {

/// Names what tokenize_rows gives for all rows of a table: SHA-256, in hexadecimal, of the text in the chosen columns,
/// the tokenizer, the label names, the options that matter and the version of the file format. Neither the table's path
/// nor its other columns have a part in it.
std::string token_cache_key(const Table& table, const ColumnChoice& columns, const Tokenizer& tokenizer,
                            const LabelSet& labels, const TokenizeOptions& options);

/// The entry of this key; nothing if there is none, or none that is whole (its XXH3 checksum is compared).
std::optional<Dataset> load_cached(const std::filesystem::path& folder, const std::string& key);

/// Writes an entry, in place of an older one; makes the folder where it is missing. Where writing fails, nothing stays
/// behind. Throws Error with the system's reason.
void store_cached(const std::filesystem::path& folder, const std::string& key, const Dataset& dataset);

}  // namespace temper
