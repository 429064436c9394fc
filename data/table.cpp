#include "data/table.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest_name.h"
#include "data/name_list.h"
#include "data/tokenizer/utf8.h"

namespace temper {

std::size_t column_index(const Table& table, std::string_view name) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  if (found != table.columns.end()) return static_cast<std::size_t>(found - table.columns.begin());
  const std::string nearest = nearest_name(name, table.columns);
  throw Error("{}: has no column \"{}\"{}; its columns are {}", table.path.string(), name,
              nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), name_list(table.columns));
}

void require_utf8_file(std::string_view text, const std::filesystem::path& path) {
  const std::size_t offset = first_invalid_utf8(text);
  if (offset == std::string_view::npos) return;
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    throw Error("{}: is UTF-16 and not UTF-8, as its first bytes say; convert it (iconv -f UTF-16 -t UTF-8)",
                path.string());
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  throw Error("{}: is not UTF-8: byte 0x{:02X} at byte offset {} (line {}); convert the file to UTF-8", path.string(),
              static_cast<unsigned>(static_cast<unsigned char>(text[offset])), offset, line);
}

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

}  // namespace temper
