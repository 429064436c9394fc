#include "data/tables/table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "base/nearest_name.h"
#include "data/tables/table_reader.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

struct Signature {
  std::string_view first_bytes;
  const char* kind;
  const char* remedy;
};

/// What a file really is that goes by the name of a text file.
constexpr std::array<Signature, 6> kSignatures = {{
    {"\xFF\xFE", "UTF-16 and not UTF-8", "convert it (iconv -f UTF-16 -t UTF-8)"},
    {"\xFE\xFF", "UTF-16 and not UTF-8", "convert it (iconv -f UTF-16 -t UTF-8)"},
    {"\x1F\x8B", "compressed with gzip", "add .gz to its name, or unpack it (gunzip)"},
    {"\x28\xB5\x2F\xFD", "compressed with Zstandard", "unpack it (unzstd)"},
    {"\xFD\x37zXZ", "compressed with xz", "unpack it (unxz)"},
    {"PK\x03\x04", "a zip archive, as spreadsheets are", "unpack it, or save it as CSV"},
}};

bool is_of_separated_values(const std::filesystem::path& path) {
  const std::filesystem::path name = path.extension() == ".gz" ? path.stem() : path;
  return name.extension() == ".csv" || name.extension() == ".tsv";
}

Error no_column(const Table& table, std::string_view name) {
  if (table.of_pictures && table.columns.size() == 1)
    return Error(
        "{}: holds pictures without labels; expected one folder per class in it, or a table (CSV, JSONL) with the "
        "column \"{}\" that lists the pictures",
        table.path.string(), name);
  if (table.of_pictures)
    return Error(
        "{}: is a folder of classes, which has no column \"{}\"; list its pictures in a table (CSV, JSONL) that has it",
        table.path.string(), name);
  if (is_text_file(table.path) && table.columns.size() == 1)
    return Error(
        "{}: is a text file, which has no column \"{}\" beside its text; give a table (CSV, JSONL) that has it, or "
        "train on running text (model.task = \"causal-lm\")",
        table.path.string(), name);
  const std::string nearest = nearest_name(name, table.columns);
  return Error("{}: has no column \"{}\"{}; its columns are {}{}", table.path.string(), name,
               nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), name_list(table.columns),
               nearest.empty() && is_of_separated_values(table.path) ? "; the first row must name the columns" : "");
}

}  // namespace

std::size_t column_index(const Table& table, std::string_view name) {
  if (const auto reason = table.unusable.find(name); reason != table.unusable.end()) throw Error("{}", reason->second);
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  if (found == table.columns.end()) throw no_column(table, name);
  return static_cast<std::size_t>(found - table.columns.begin());
}

bool has_column(const Table& table, std::string_view name) {
  return std::find(table.columns.begin(), table.columns.end(), name) != table.columns.end();
}

std::string place_of(const Table& table, std::size_t row) {
  if (table.of_pictures) {
    const std::filesystem::path& folder = table.files.at(table.file_of.at(row));
    return (folder == "." ? std::filesystem::path() : folder) / table.rows.at(row).front();
  }
  const std::filesystem::path& path = table.file_of.empty() ? table.path : table.files.at(table.file_of.at(row));
  return fmt::format("{}, line {}", path.string(), table.lines.at(row));
}

Table without_rows(const Table& table) {
  return {table.path, table.columns, {}, {}, table.unusable, table.files, {}, table.of_pictures};
}

void move_row(Table& from, std::size_t row, Table& to) {
  to.rows.push_back(std::exchange(from.rows[row], {}));
  to.lines.push_back(from.lines[row]);
  if (!from.file_of.empty()) to.file_of.push_back(from.file_of[row]);
}

Table head_of_all(std::vector<Table> heads) {
  if (heads.size() == 1) return std::move(heads.front());
  Table whole = heads.front();
  whole.path = fmt::format("{} and {}", heads.front().path.string(), counted(heads.size() - 1, "more file"));
  for (const Table& head : heads) {
    // What the file itself says of a column that it lacks comes first.
    whole.unusable.insert(head.unusable.begin(), head.unusable.end());
    for (const std::string& column : whole.columns)
      if (!has_column(head, column)) whole.unusable.emplace(column, no_column(head, column).what());
    whole.files.push_back(head.path);
  }
  return whole;
}

std::vector<std::size_t> places_of_columns(const Table& table, const Table& file) {
  if (table.columns == file.columns) return {};
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto same = i < file.columns.size() && file.columns[i] == table.columns[i]
                          ? file.columns.begin() + static_cast<std::ptrdiff_t>(i)
                          : std::find(file.columns.begin(), file.columns.end(), table.columns[i]);
    places.push_back(same == file.columns.end() ? kNowhere : static_cast<std::size_t>(same - file.columns.begin()));
  }
  return places;
}

void require_utf8_file(std::string_view text, const std::filesystem::path& path) {
  const std::size_t offset = first_invalid_utf8(text);
  if (offset == std::string_view::npos) return;
  for (const Signature& signature : kSignatures)
    if (text.starts_with(signature.first_bytes))
      throw Error("{}: is {}, as its first bytes say; {}", path.string(), signature.kind, signature.remedy);
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  throw Error("{}: is not UTF-8: byte 0x{:02X} at byte offset {} (line {}); convert the file to UTF-8", path.string(),
              static_cast<unsigned>(static_cast<unsigned char>(text[offset])), offset, line);
}

void require_line_feeds(std::string_view text, const std::filesystem::path& path) {
  if (text.find('\n') != std::string_view::npos) return;
  const std::size_t first = text.find('\r');
  if (first == std::string_view::npos || text.find_first_not_of("\r", first) == std::string_view::npos) return;
  throw Error(
      "{}: its lines end with a carriage return (CR) alone, expected a line feed (LF or CRLF); convert it (tr '\\r' "
      "'\\n' < old > new)",
      path.string());
}

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

}  // namespace temper
