#include "data/images/picture_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <system_error>
#include <utility>

#include "base/counted.h"
#include "base/digest.h"
#include "base/error.h"
#include "data/tables/table_reader.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_folder(const std::string& name) {
  std::error_code ignored;
  return fs::is_directory(name, ignored);
}

/// The pictures of a folder and of its folders, by paths below it, sorted bytewise.
struct FolderPictures {
  std::vector<std::string> pictures;
  std::vector<std::string> classes;  ///< folders right below, sorted
  std::int64_t others = 0;
};

FolderPictures pictures_in(const fs::path& folder) {
  FolderPictures found;
  for (auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink);
       entry != fs::recursive_directory_iterator(); ++entry) {
    const std::string name = entry->path().filename().string();
    if (entry->is_directory()) {
      // What tools keep beside pictures: .ipynb_checkpoints, __MACOSX.
      if (name.starts_with('.') || name.starts_with("__")) {
        entry.disable_recursion_pending();
        continue;
      }
      if (entry.depth() == 0) found.classes.push_back(name);
      continue;
    }
    if (!entry->is_regular_file() || name.starts_with('.') || !is_picture_name(entry->path())) {
      ++found.others;
      continue;
    }
    found.pictures.push_back(entry->path().lexically_relative(folder).generic_string());
  }
  std::sort(found.pictures.begin(), found.pictures.end());
  std::sort(found.classes.begin(), found.classes.end());
  return found;
}

std::string class_of(const std::string& picture) { return picture.substr(0, picture.find('/')); }
bool is_in_class(const std::string& picture) { return picture.find('/') != std::string::npos; }

/// Throws Error where a folder with classes is not what it seems.
void require_classes(const fs::path& folder, const FolderPictures& found) {
  std::map<std::string, std::int64_t> of_class;
  std::int64_t beside = 0;
  for (const std::string& picture : found.pictures) is_in_class(picture) ? ++of_class[class_of(picture)] : ++beside;
  if (beside > 0)
    throw Error(
        "{}: holds {} beside folders of classes ({}), so it is not clear which class they have; move them into a "
        "class's folder",
        folder.string(), counted(beside, "picture"), of_class.begin()->first);
  for (const std::string& name : found.classes)
    if (!of_class.contains(name))
      throw Error("{}: holds no pictures, but every folder of {} is a class; fill it or take it out",
                  (folder / name).string(), folder.string());
}

void add_folder(const fs::path& folder, Table& table) {
  const FolderPictures found = pictures_in(folder);
  if (found.pictures.empty())
    throw Error("{}: is a folder without pictures (.png, .jpg, .jpeg, .tif, .tiff, .dcm, .nii); check the path",
                folder.string());
  const bool labelled = std::any_of(found.pictures.begin(), found.pictures.end(), is_in_class);
  if (labelled) require_classes(folder, found);
  if (labelled != (table.columns.size() > 1)) {
    if (!table.rows.empty())
      throw Error("{}: {} folders of classes, unlike those before it; name folders of one kind", folder.string(),
                  labelled ? "has" : "has no");
    table.columns.resize(1);
  }
  const auto number = static_cast<std::uint32_t>(table.files.size());
  table.files.push_back(folder);
  for (const std::string& picture : found.pictures) {
    table.rows.push_back({picture});
    if (labelled) table.rows.back().push_back(class_of(picture));
    table.lines.push_back(table.lines.size() + 1);
    table.file_of.push_back(number);
  }
}

/// Names, with what fits it in the place of each pattern of pictures.
std::vector<std::string> without_patterns(std::span<const std::string> names) {
  std::vector<std::string> all;
  std::error_code ignored;
  for (const std::string& name : names) {
    if (!is_picture_name(name) || name.find_first_of("*?[") == std::string::npos || fs::exists(name, ignored)) {
      all.push_back(name);
      continue;
    }
    for (const fs::path& fitting : files_named(std::span(&name, 1))) all.push_back(fitting.string());
  }
  return all;
}

}  // namespace

bool is_picture_name(const fs::path& path) {
  constexpr std::array kExtensions{".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".dcm", ".dicom", ".nii"};
  const std::string name = in_lower_case(path.filename().string());
  if (name.ends_with(".nii.gz")) return true;
  const std::string extension = fs::path(name).extension().string();
  if (std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end()) return true;
  // "1.2.840.113619.2.5": a scanner's unique identifier.
  return std::count(name.begin(), name.end(), '.') >= 3 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

bool holds_pictures(const fs::path& folder) { return !pictures_in(folder).pictures.empty(); }

std::unique_ptr<TableSource> open_picture_tables(std::span<const std::string> given, const PictureColumns& columns) {
  const std::vector<std::string> names = without_patterns(given);
  const auto folders = static_cast<std::size_t>(std::count_if(names.begin(), names.end(), is_folder));
  if (folders > 0 && folders < names.size())
    throw Error("{}: is a folder, but others of these names are files; name one kind",
                *std::find_if(names.begin(), names.end(), is_folder));
  const auto is_picture = [](const std::string& name) { return is_picture_name(name); };
  if (folders == 0 && !std::any_of(names.begin(), names.end(), is_picture))
    return open_tables(picture_table_files(names));
  Table table{names.front(), {columns.image, columns.label}, {}, {}};
  if (folders > 0) {
    for (const std::string& name : names) add_folder(name, table);
  } else {
    table.columns.resize(1);
    table.files.emplace_back(".");
    for (const std::string& name : names) {
      if (!is_picture_name(name)) throw Error("{}: is no picture, but others of these names are; name one kind", name);
      table.rows.push_back({name});
      table.lines.push_back(table.lines.size() + 1);
      table.file_of.push_back(0);
    }
  }
  return std::make_unique<HeldTable>(std::move(table));
}

std::vector<fs::path> picture_table_files(std::span<const std::string> names) {
  std::vector<fs::path> files;
  for (const std::string& name : names) {
    if (is_folder(name) || is_picture_name(name)) {
      files.emplace_back(name);
      continue;
    }
    const std::vector<fs::path> named = files_named(std::span(&name, 1));
    files.insert(files.end(), named.begin(), named.end());
  }
  return files;
}

fs::path picture_path(const Table& table, std::size_t row, const std::string& image) {
  const fs::path listed(image);
  if (listed.is_absolute()) return listed;
  const fs::path& file = table.files.empty() ? table.path : table.files[table.file_of.empty() ? 0 : table.file_of[row]];
  return (is_folder(file.string()) ? file : file.parent_path()) / listed;
}

std::string digest_of_pictures(const fs::path& folder) {
  Sha256 digest;
  for (const std::string& picture : pictures_in(folder).pictures) {
    std::error_code ignored;
    const std::string line = fmt::format("{} {}\n", picture, fs::file_size(folder / picture, ignored));
    digest.add(std::as_bytes(std::span(line)));
  }
  return digest.hex();
}

std::vector<std::string> unread_picture_notes(std::span<const std::string> names) {
  std::vector<std::string> notes;
  for (const std::string& name : names) {
    if (!is_folder(name)) continue;
    const std::int64_t others = pictures_in(name).others;
    if (others > 0)
      notes.push_back(fmt::format("{}: {} in the folder {} no picture by {} name and passed over", name,
                                  counted(others, "file"), others == 1 ? "is" : "are", others == 1 ? "its" : "their"));
  }
  return notes;
}

}  // namespace temper
