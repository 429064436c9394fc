#include "data/tables/text_reader.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "data/tables/label_values.h"

namespace temper {

Table parse_text(std::string_view text, const std::filesystem::path& name) {
  require_utf8_file(text, name);
  require_line_feeds(text, name);
  text = without_byte_order_mark(text);
  Table table{name, {"text"}, {}, {}};
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (is_blank(line)) continue;
    table.rows.push_back({std::string(line)});
    table.lines.push_back(number);
  }
  if (table.rows.empty()) throw Error("{}: the file has only blank lines, expected one text a line", name.string());
  return table;
}

}  // namespace temper
