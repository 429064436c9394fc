#include "data/images/picture_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include "base/counted.h"
#include "base/digest.h"
#include "base/error.h"
#include "data/pictures/picture_format.h"
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

constexpr std::size_t kNamedOthers = 5;

/// The pictures of a folder and of its folders, by paths below it, sorted bytewise.
struct FolderPictures {
  std::vector<std::string> pictures;
  std::vector<std::string> classes;  ///< folders right below, sorted
  std::vector<std::string> others;   ///< what is passed over, and why where that is known, sorted
};

/// As much of a file as tells what it is; nothing where it cannot be read.
std::vector<std::byte> beginning_of(const fs::path& path) {
  std::vector<char> bytes(512);
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto view = std::as_bytes(std::span(bytes).first(static_cast<std::size_t>(file.gcount())));
  return {view.begin(), view.end()};
}

/// Only under the name .nii.gz is what gzip compressed taken for a picture.
bool begins_as_picture(std::span<const std::byte> bytes) {
  const bool compressed = bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
  return !compressed && format_of_content(bytes) != PictureFormat::unknown;
}

class FolderWalk {
 public:
  explicit FolderWalk(fs::path folder) : top_(std::move(folder)) {}

  FolderPictures run() {
    enter(top_, 0);
    std::sort(found_.pictures.begin(), found_.pictures.end());
    std::sort(found_.classes.begin(), found_.classes.end());
    std::sort(found_.others.begin(), found_.others.end());
    return std::move(found_);
  }

 private:
  void enter(const fs::path& folder, int depth) {
    std::error_code failed;
    const fs::path real = fs::canonical(folder, failed);
    fs::directory_iterator entry;
    if (!failed) entry = fs::directory_iterator(folder, failed);
    if (failed) throw Error("{}: the folder cannot be read: {}", folder.string(), failed.message());
    within_.push_back(real);
    for (; entry != fs::directory_iterator(); entry.increment(failed)) {
      look_at(entry->path(), depth);
      if (failed) throw Error("{}: the folder cannot be read: {}", folder.string(), failed.message());
    }
    if (failed) throw Error("{}: the folder cannot be read: {}", folder.string(), failed.message());
    within_.pop_back();
  }

  void look_at(const fs::path& path, int depth) {
    const std::string name = path.filename().string();
    std::error_code absent;
    const fs::file_status status = fs::status(path, absent);
    if (fs::is_directory(status)) {
      // What tools keep beside pictures.
      if (name == ".ipynb_checkpoints" || name == "__MACOSX") return;
      if (name.starts_with('.') || name.starts_with("__"))
        return pass_over(path, "a folder whose name begins as hidden ones do");
      std::error_code failed;
      if (fs::is_symlink(path, failed)) {
        const fs::path real = fs::canonical(path, failed);
        if (std::find(within_.begin(), within_.end(), real) != within_.end())
          return pass_over(path, "a link to a folder that it lies in");
      }
      if (depth == 0) found_.classes.push_back(name);
      return enter(path, depth + 1);
    }
    std::error_code failed;
    if (!fs::exists(status) && fs::is_symlink(path, failed)) return pass_over(path, "a link that leads nowhere");
    if (!fs::is_regular_file(status)) return pass_over(path, "no regular file");
    if (name.starts_with('.')) return pass_over(path, "hidden");
    if (is_picture_name(path)) return take(path);
    const std::vector<std::byte> begins = beginning_of(path);
    if (begins_as_picture(begins)) return take(path);
    pass_over(path, std::string(other_content(begins)));
  }

  void take(const fs::path& path) { found_.pictures.push_back(path.lexically_relative(top_).generic_string()); }
  void pass_over(const fs::path& path, const std::string& reason) {
    const std::string name = path.lexically_relative(top_).generic_string();
    found_.others.push_back(reason.empty() ? name : fmt::format("{} ({})", name, reason));
  }

  fs::path top_;
  FolderPictures found_;
  std::vector<fs::path> within_;  ///< the folders that are being walked through, as they are without links
};

FolderPictures pictures_in(const fs::path& folder) { return FolderWalk(folder).run(); }

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

/// "a.bmp (a BMP picture), notes.txt and 3 more"
std::string named_others(const FolderPictures& found) {
  std::string text;
  const std::size_t named = std::min(found.others.size(), kNamedOthers);
  for (std::size_t i = 0; i < named; ++i) text += (i == 0 ? "" : ", ") + found.others[i];
  if (found.others.size() > named) text += fmt::format(" and {} more", found.others.size() - named);
  return text;
}

void add_folder(const fs::path& folder, Table& table) {
  const FolderPictures found = pictures_in(folder);
  if (found.pictures.empty())
    throw Error("{}: is a folder without pictures (PNG, JPEG, TIFF, DICOM or NIfTI){}; check the path", folder.string(),
                found.others.empty() ? "" : fmt::format(", but with {}", named_others(found)));
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

/// Throws Error for a file that holds neither pictures nor a list of them.
void require_pictures_or_list(const std::string& name) {
  std::error_code absent;
  const fs::file_status status = fs::status(name, absent);
  std::error_code failed;
  if (!fs::exists(status) && fs::is_symlink(name, failed))
    throw Error("{}: is a link that leads nowhere, to {}", name, fs::read_symlink(name, failed).string());
  if (!fs::exists(status)) throw Error("{}: no such file or folder; check the path", name);
  if (is_table_name(name)) return;
  const std::uintmax_t bytes = fs::file_size(name, failed);
  throw Error(
      "{}: found {}; expected a picture (PNG, JPEG, TIFF, DICOM or NIfTI), a folder of pictures, or a list of them "
      "(.csv, .tsv, .jsonl, or .txt with a path in each line)",
      name, describe_content(beginning_of(name), failed ? 0 : bytes));
}

/// The table of files with a path in each line.
std::unique_ptr<TableSource> open_path_lists(const std::vector<fs::path>& files, const std::string& column) {
  const std::unique_ptr<TableSource> lines = open_tables(files, TextUnit::line);
  Table table = without_rows(lines->head());
  table.columns = {column};
  lines->read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    for (std::size_t row = 0; row < chunk.rows.size(); ++row) move_row(chunk, row, table);
    return true;
  });
  return std::make_unique<HeldTable>(std::move(table));
}

/// Names, with what fits it in the place of each pattern.
std::vector<std::string> without_patterns(std::span<const std::string> names) {
  std::vector<std::string> all;
  std::error_code ignored;
  for (const std::string& name : names) {
    if (name.find_first_of("*?[") == std::string::npos || fs::exists(name, ignored)) {
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

bool is_picture_file(const fs::path& path) {
  if (is_picture_name(path)) return true;
  std::error_code absent;
  return fs::is_regular_file(path, absent) && begins_as_picture(beginning_of(path));
}

bool holds_pictures(const fs::path& folder) { return !pictures_in(folder).pictures.empty(); }

std::unique_ptr<TableSource> open_picture_tables(std::span<const std::string> given, const PictureColumns& columns) {
  const std::vector<std::string> names = without_patterns(given);
  const auto folders = static_cast<std::size_t>(std::count_if(names.begin(), names.end(), is_folder));
  if (folders > 0 && folders < names.size())
    throw Error("{}: is a folder, but others of these names are files; name one kind",
                *std::find_if(names.begin(), names.end(), is_folder));
  const auto is_picture = [](const std::string& name) { return is_picture_file(name); };
  if (folders == 0 && !std::any_of(names.begin(), names.end(), is_picture)) {
    const std::vector<fs::path> files = picture_table_files(names);
    for (const fs::path& file : files) require_pictures_or_list(file.string());
    if (std::all_of(files.begin(), files.end(), is_text_file)) return open_path_lists(files, columns.image);
    return open_tables(files);
  }
  Table table{names.front(), {columns.image, columns.label}, {}, {}};
  table.of_pictures = true;
  if (folders > 0) {
    for (const std::string& name : names) add_folder(name, table);
  } else {
    table.columns.resize(1);
    table.files.emplace_back(".");
    for (const std::string& name : names) {
      if (!is_picture_file(name)) {
        require_pictures_or_list(name);
        throw Error("{}: is a list, but others of these names are pictures; name one kind", name);
      }
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
    if (is_folder(name) || is_picture_file(name)) {
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
    const FolderPictures found = pictures_in(name);
    if (!found.others.empty())
      notes.push_back(fmt::format(
          "{}: {} of no format that is read, and passed over: {}", name,
          found.others.size() == 1 ? std::string("1 file is") : fmt::format("{} files are", found.others.size()),
          named_others(found)));
  }
  return notes;
}

}  // namespace temper
