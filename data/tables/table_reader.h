// The reader that belongs to a file, and the files that a name stands for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/tables/table_source.h"

namespace temper {

/// What makes a row of a .txt file; or that each object of a .jsonl or .json file is one, as it stands
/// (conversation_reader.h).
enum class TextUnit : std::uint8_t { line, paragraph, file, conversation };

/// Files as one table, at least one, each by the extension of its name: .csv, .tsv, .jsonl, .json or .txt, also with
/// .gz behind it. Reads them once, to find what is wrong with any row and how many there are; later readings hold no
/// more than a chunk of rows in memory. Throws Error as the readers do, for text that is not UTF-8 (with the byte
/// offset), and for another extension, naming those that are known or how to convert the file.
std::unique_ptr<TableSource> open_tables(std::span<const std::filesystem::path> paths, TextUnit unit = TextUnit::line);
std::unique_ptr<TableSource> open_table(const std::filesystem::path& path, TextUnit unit = TextUnit::line);

/// The files that names stand for, in their order: a name with *, ? or [ that is no file itself is a pattern, and
/// stands for what fits it, sorted bytewise; a folder stands for the .txt files in it and in its folders, but for
/// blank ones, sorted in the same way. Throws Error for a pattern that nothing fits, and for a folder without such
/// files.
std::vector<std::filesystem::path> files_named(std::span<const std::string> names);
/// For each folder among the names what of it is not read, a sentence each: files of other types, and blank ones.
std::vector<std::string> unread_file_notes(std::span<const std::string> names);

/// Whether the extension is one of tables: those that open_tables reads, and those that it tells how to convert.
bool is_table_name(const std::filesystem::path& path);

/// .txt or .txt.gz.
bool is_text_file(const std::filesystem::path& path);
/// Whether there is one in a folder or in its folders.
bool holds_text_files(const std::filesystem::path& folder);

}  // namespace temper
