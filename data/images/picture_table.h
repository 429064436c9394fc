// Where pictures are and what they are labelled with, as a table: of folders whose folders are classes, or of files
// that list paths.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/tables/table_source.h"

namespace temper {

/// How columns of a table of pictures are called.
struct PictureColumns {
  std::string image = "image";
  std::string label = "label";  ///< of folders: that of the class
};

/// Whether a file's name is one that pictures have: .png, .jpg, .jpeg, .tif, .tiff, .dcm, .dicom, .nii, .nii.gz, or
/// none of these but digits and dots alone, as scanners name theirs.
bool is_picture_name(const std::filesystem::path& path);

/// Whether a file is one of pictures: by such a name, or under any other name by how it begins.
bool is_picture_file(const std::filesystem::path& path);

/// Whether a folder, or a folder in it, holds such files.
bool holds_pictures(const std::filesystem::path& folder);

/// A table with a row for each picture, its path as the names give it. A name is a folder, a table (CSV, TSV, JSONL;
/// data/tables/table_reader.h), a .txt file with a path in each line, a pattern of these, or a picture; all are of one
/// kind. Links are followed, but not to a folder that they lie in. Of a folder whose folders hold
/// pictures, each of these is a class, and the rows have its name as their label; of one that holds pictures itself,
/// rows have no label. Rows of a folder stand in the order of their paths, bytewise. Throws Error for a folder without
/// pictures, for a class without any, for pictures beside classes, and as open_tables does.
std::unique_ptr<TableSource> open_picture_tables(std::span<const std::string> names, const PictureColumns& columns);

/// The files that hold the rows of such names: tables, or the folders themselves.
std::vector<std::filesystem::path> picture_table_files(std::span<const std::string> names);

/// Where the picture of a row lies: paths of tables count from the table's folder, those of folders from there.
std::filesystem::path picture_path(const Table& table, std::size_t row, const std::string& image);

/// SHA-256, in hexadecimal, of what a folder holds: the paths of its pictures and their sizes in bytes. Not of their
/// content, which may be terabytes.
std::string digest_of_pictures(const std::filesystem::path& folder);

/// For each folder among the names what of it is no picture, the first files by name, a sentence each.
std::vector<std::string> unread_picture_notes(std::span<const std::string> names);

}  // namespace temper
