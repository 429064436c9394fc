#include "data/tables/table_reader.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "data/tables/conversation_reader.h"
#include "data/tables/csv_reader.h"
#include "data/tables/file_text.h"
#include "data/tables/jsonl_reader.h"
#include "data/tables/label_values.h"
#include "data/tables/text_reader.h"

namespace temper {
namespace {

struct Format {
  const char* extension;
  MakeRowReader make;
};

constexpr std::array<Format, 5> kFormats = {
    {{".csv", csv_rows}, {".tsv", tsv_rows}, {".jsonl", jsonl_rows}, {".json", json_rows}, {".txt", text_rows}}};

struct ForeignFormat {
  const char* extension;
  const char* reader;  ///< of pandas
};

/// What one line of Python makes readable.
constexpr std::array<ForeignFormat, 3> kForeign = {
    {{".parquet", "read_parquet"}, {".feather", "read_feather"}, {".xlsx", "read_excel"}}};

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string known_extensions() {
  std::string known;
  for (const Format& format : kFormats) known += std::string(known.empty() ? "" : ", ") + format.extension;
  return known + ", each also with .gz";
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& extension) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw Error("{}: is a directory, expected a data file ({})", path.string(), known_extensions());
  if (!std::filesystem::exists(path, ignored)) throw Error("{}: no such file; check the path", path.string());
  for (const ForeignFormat& format : kForeign)
    if (extension == format.extension)
      throw Error(
          "{}: {} files are not read; convert it: python3 -c \"import pandas; pandas.{}('{}').to_json('{}', "
          "orient='records', lines=True)\"",
          path.string(), extension, format.reader, path.string(),
          std::filesystem::path(path).replace_extension(".jsonl").string());
  throw Error("{}: the extension \"{}\" is of no known data format; known are {}", path.string(), extension,
              known_extensions());
}

struct OpenFile {
  std::filesystem::path path;
  MakeRowReader make;
  std::unique_ptr<FileText> text;
  std::vector<std::size_t> places;  ///< of the table's columns (places_of_columns)
};

MakeRowReader reader_of(const Format& format, TextUnit unit, const std::filesystem::path& path) {
  if (unit == TextUnit::conversation) {
    if (format.make == jsonl_rows || format.make == json_rows) return conversation_rows;
    throw Error("{}: conversations are read from .jsonl and .json files alone, each also with .gz; convert the file",
                path.string());
  }
  if (format.make != text_rows || unit == TextUnit::line) return format.make;
  return unit == TextUnit::paragraph ? paragraph_rows : whole_text_rows;
}

/// Whether a text file holds nothing to read. A large one is not asked: who reads it tells.
bool is_blank_file(const std::filesystem::path& path) {
  constexpr std::uintmax_t kLarge = std::uintmax_t{1} << 16;
  std::error_code unknown;
  const std::uintmax_t size = std::filesystem::file_size(path, unknown);
  if (unknown || size > kLarge) return false;
  if (size == 0) return true;
  try {
    const FileText text(path, path.extension() == ".gz");
    return is_blank(without_byte_order_mark(text.text()));
  } catch (const Error&) {
    return false;
  }
}

struct FolderContent {
  std::vector<std::filesystem::path> texts;  ///< .txt files, sorted bytewise
  std::int64_t blank = 0;                    ///< .txt files without a text
  std::int64_t others = 0;
};

/// Of a folder and of its folders.
FolderContent content_of(const std::string& folder) {
  FolderContent content;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    if (!is_text_file(entry.path())) {
      ++content.others;
    } else if (is_blank_file(entry.path())) {
      ++content.blank;
    } else {
      content.texts.push_back(entry.path());
    }
  }
  std::sort(content.texts.begin(), content.texts.end(),
            [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return content;
}

/// The .txt files of a folder. Tables are not taken so: a folder of these holds, more often than not, the rows to test
/// on beside those to train on.
std::vector<std::filesystem::path> files_in(const std::string& folder) {
  FolderContent content = content_of(folder);
  if (content.texts.empty() && content.blank > 0)
    throw Error("{}: its {} blank, expected texts", folder,
                content.blank == 1 ? "only .txt file is" : fmt::format("{} .txt files are all", content.blank));
  if (content.texts.empty())
    throw Error("{}: is a directory without .txt files; name a data file, or a pattern such as {}/*.jsonl", folder,
                folder);
  return std::move(content.texts);
}

OpenFile open_file(const std::filesystem::path& path, TextUnit unit) {
  std::string extension = lower_case(path.extension().string());
  const bool compressed = extension == ".gz";
  if (compressed) extension = lower_case(path.stem().extension().string());
  for (const Format& format : kFormats)
    if (extension == format.extension)
      return {path, reader_of(format, unit, path), std::make_unique<FileText>(path, compressed), {}};
  refuse(path, compressed ? extension + ".gz" : extension);
}

class FileTable final : public TableSource {
 public:
  FileTable(std::span<const std::filesystem::path> paths, TextUnit unit) {
    std::vector<Table> heads;
    for (const std::filesystem::path& path : paths) {
      OpenFile& file = files_.emplace_back(open_file(path, unit));
      file.text->require_utf8();
      std::int64_t rows = 0;
      heads.push_back(for_each_row(file, [&](std::vector<std::string>&, std::size_t) { return ++rows > 0; }));
      rows_of_files_.push_back(rows);
      rows_ += rows;
    }
    const std::vector<Table> own = heads;
    head_ = head_of_all(std::move(heads));
    for (std::size_t i = 0; i < files_.size(); ++i) files_[i].places = places_of_columns(head_, own[i]);
  }

  void read(std::int64_t most, const Use& use) const override {
    Table chunk = head_;
    std::int64_t first = 0;
    bool goes_on = true;
    const auto hand_over = [&] {
      const auto count = static_cast<std::int64_t>(chunk.rows.size());
      goes_on = use(chunk, first);
      first += count;
      chunk.rows.clear();
      chunk.lines.clear();
      chunk.file_of.clear();
    };
    for (std::size_t i = 0; i < files_.size() && goes_on; ++i)
      for_each_row(files_[i], [&](std::vector<std::string>& fields, std::size_t line) {
        chunk.rows.push_back(in_order(fields, files_[i].places));
        chunk.lines.push_back(line);
        if (!head_.files.empty()) chunk.file_of.push_back(static_cast<std::uint32_t>(i));
        if (std::cmp_equal(chunk.rows.size(), most)) hand_over();
        return goes_on;
      });
    if (goes_on && !chunk.rows.empty()) hand_over();
  }

 private:
  static std::vector<std::string> in_order(std::vector<std::string>& fields, const std::vector<std::size_t>& places) {
    if (places.empty()) return std::move(fields);
    std::vector<std::string> ordered;
    for (const std::size_t place : places)
      ordered.push_back(place == kNowhere ? std::string() : std::move(fields[place]));
    return ordered;
  }

  /// `use(fields, line)` gives back whether to go on. The head as far as the file has been read.
  template <typename UseRow>
  static Table for_each_row(const OpenFile& file, UseRow use) {
    constexpr std::size_t kBehind = std::size_t{4} << 20;
    const std::unique_ptr<RowReader> reader = file.make(file.text->text(), file.path);
    std::vector<std::string> fields;
    std::size_t forgotten = 0;
    while (reader->next(fields)) {
      if (reader->taken() >= forgotten + kBehind) {
        file.text->forget(forgotten, reader->taken());
        forgotten = reader->taken();
      }
      if (!use(fields, reader->line())) break;
    }
    file.text->forget(forgotten, file.text->text().size());
    return reader->head();
  }

  std::vector<OpenFile> files_;
};

}  // namespace

std::unique_ptr<TableSource> open_tables(std::span<const std::filesystem::path> paths, TextUnit unit) {
  return std::make_unique<FileTable>(paths, unit);
}

std::unique_ptr<TableSource> open_table(const std::filesystem::path& path, TextUnit unit) {
  return open_tables(std::span(&path, 1), unit);
}

bool is_table_name(const std::filesystem::path& path) {
  std::string extension = lower_case(path.extension().string());
  if (extension == ".gz") extension = lower_case(path.stem().extension().string());
  const auto is_of = [&](const auto& format) { return extension == format.extension; };
  return std::any_of(kFormats.begin(), kFormats.end(), is_of) || std::any_of(kForeign.begin(), kForeign.end(), is_of);
}

bool is_text_file(const std::filesystem::path& path) {
  std::string extension = lower_case(path.extension().string());
  if (extension == ".gz") extension = lower_case(path.stem().extension().string());
  return extension == ".txt";
}

bool holds_text_files(const std::filesystem::path& folder) {
  const auto is_text = [](const auto& entry) { return entry.is_regular_file() && is_text_file(entry.path()); };
  const std::filesystem::recursive_directory_iterator entries(folder);
  return std::any_of(begin(entries), end(entries), is_text);
}

std::vector<std::string> unread_file_notes(std::span<const std::string> names) {
  std::vector<std::string> notes;
  for (const std::string& name : names) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(name, ignored)) continue;
    const FolderContent content = content_of(name);
    if (content.others > 0)
      notes.push_back(fmt::format("{}: {} in the folder {} not read: of a folder only .txt files are, others by name",
                                  name, counted(content.others, "other file"), content.others == 1 ? "is" : "are"));
    if (content.blank > 0)
      notes.push_back(
          fmt::format("{}: {} blank and passed over", name,
                      content.blank == 1 ? "1 .txt file is" : fmt::format("{} .txt files are", content.blank)));
  }
  return notes;
}

std::vector<std::filesystem::path> files_named(std::span<const std::string> names) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : names) {
    std::error_code ignored;
    if (std::filesystem::is_directory(name, ignored)) {
      const std::vector<std::filesystem::path> inside = files_in(name);
      files.insert(files.end(), inside.begin(), inside.end());
      continue;
    }
    if (name.find_first_of("*?[") == std::string::npos || std::filesystem::exists(name, ignored)) {
      files.emplace_back(name);
      continue;
    }
    glob_t found{};
    const int status = ::glob(name.c_str(), GLOB_NOSORT, nullptr, &found);
    std::vector<std::string> fitting(found.gl_pathv, found.gl_pathv + (status == 0 ? found.gl_pathc : 0));
    ::globfree(&found);
    if (fitting.empty()) throw Error("{}: no file fits this pattern; check the path", name);
    // Not by the locale, which may differ between hosts.
    std::sort(fitting.begin(), fitting.end());
    files.insert(files.end(), fitting.begin(), fitting.end());
  }
  return files;
}

}  // namespace temper
