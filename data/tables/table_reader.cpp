#include "data/tables/table_reader.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tables/csv_reader.h"
#include "data/tables/gzip.h"
#include "data/tables/jsonl_reader.h"
#include "data/tables/text_reader.h"

namespace temper {
namespace {

struct Format {
  const char* extension;
  Table (*parse)(std::string_view text, const std::filesystem::path& name);
};

constexpr std::array<Format, 5> kFormats = {
    {{".csv", parse_csv}, {".tsv", parse_tsv}, {".jsonl", parse_jsonl}, {".json", parse_json}, {".txt", parse_text}}};

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

}  // namespace

Table read_table(const std::filesystem::path& path) {
  std::string extension = lower_case(path.extension().string());
  const bool compressed = extension == ".gz";
  if (compressed) extension = lower_case(path.stem().extension().string());
  for (const Format& format : kFormats) {
    if (extension != format.extension) continue;
    const MappedFile file(path);
    return compressed ? format.parse(unpack_gzip(file.bytes(), path), path) : format.parse(file.text(), path);
  }
  refuse(path, compressed ? extension + ".gz" : extension);
}

Table read_tables(std::span<const std::filesystem::path> paths) {
  std::vector<Table> parts;
  parts.reserve(paths.size());
  for (const std::filesystem::path& path : paths) parts.push_back(read_table(path));
  return concatenate_tables(std::move(parts));
}

std::vector<std::filesystem::path> files_named(std::span<const std::string> names) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : names) {
    std::error_code ignored;
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
