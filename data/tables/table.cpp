#include "data/tables/table.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "base/nearest_name.h"
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

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

/// For each column of `columns`, where `part` has it.
std::vector<std::size_t> places_of(const std::vector<std::string>& columns, const Table& part) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto same = i < part.columns.size() && part.columns[i] == columns[i]
                          ? part.columns.begin() + static_cast<std::ptrdiff_t>(i)
                          : std::find(part.columns.begin(), part.columns.end(), columns[i]);
    places.push_back(same == part.columns.end() ? kNowhere : static_cast<std::size_t>(same - part.columns.begin()));
  }
  return places;
}

Error no_column(const Table& table, std::string_view name) {
  const std::string nearest = nearest_name(name, table.columns);
  return Error("{}: has no column \"{}\"{}; its columns are {}", table.path.string(), name,
               nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), name_list(table.columns));
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
  const std::filesystem::path& path = table.file_of.empty() ? table.path : table.files.at(table.file_of.at(row));
  return fmt::format("{}, line {}", path.string(), table.lines.at(row));
}

Table without_rows(const Table& table) { return {table.path, table.columns, {}, {}, table.unusable, table.files, {}}; }

void move_row(Table& from, std::size_t row, Table& to) {
  to.rows.push_back(std::exchange(from.rows[row], {}));
  to.lines.push_back(from.lines[row]);
  if (!from.file_of.empty()) to.file_of.push_back(from.file_of[row]);
}

Table concatenate_tables(std::vector<Table> parts) {
  if (parts.empty()) throw Error("there is no table to read");
  if (parts.size() == 1) return std::move(parts.front());
  Table whole = without_rows(parts.front());
  whole.path = fmt::format("{} and {}", parts.front().path.string(), counted(parts.size() - 1, "more file"));
  for (Table& part : parts) {
    const std::vector<std::size_t> places = places_of(whole.columns, part);
    // What the part itself says of a column that it lacks comes first.
    whole.unusable.insert(part.unusable.begin(), part.unusable.end());
    for (std::size_t i = 0; i < places.size(); ++i)
      if (places[i] == kNowhere) whole.unusable.emplace(whole.columns[i], no_column(part, whole.columns[i]).what());
    std::vector<std::size_t> as_they_lie(part.columns.size());
    std::iota(as_they_lie.begin(), as_they_lie.end(), std::size_t{0});
    for (std::vector<std::string>& row : part.rows) {
      if (places == as_they_lie) {
        whole.rows.push_back(std::move(row));
        continue;
      }
      std::vector<std::string>& fields = whole.rows.emplace_back();
      for (const std::size_t place : places)
        fields.push_back(place == kNowhere ? std::string() : std::move(row[place]));
    }
    whole.lines.insert(whole.lines.end(), part.lines.begin(), part.lines.end());
    whole.file_of.resize(whole.rows.size(), static_cast<std::uint32_t>(whole.files.size()));
    whole.files.push_back(std::move(part.path));
    part = {};
  }
  return whole;
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
