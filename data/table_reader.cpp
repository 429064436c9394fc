#include "data/table_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/error.h"
#include "data/csv_reader.h"
#include "data/jsonl_reader.h"

namespace temper {
namespace {

struct Format {
  const char* extension;
  Table (*read)(const std::filesystem::path&);
};

constexpr std::array<Format, 3> kFormats = {{{".csv", read_csv}, {".tsv", read_tsv}, {".jsonl", read_jsonl}}};

}  // namespace

Table read_table(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string known;
  for (const Format& format : kFormats) {
    if (extension == format.extension) return format.read(path);
    known += (known.empty() ? "" : ", ") + std::string(format.extension);
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw Error("{}: is a directory, expected a data file ({})", path.string(), known);
  if (!std::filesystem::exists(path, ignored)) throw Error("{}: no such file; check the path", path.string());
  throw Error("{}: the extension \"{}\" is of no known data format; known are {}", path.string(), extension, known);
}

}  // namespace temper
