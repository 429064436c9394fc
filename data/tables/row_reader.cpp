#include "data/tables/row_reader.h"

namespace temper {

Table parse_table(MakeRowReader make, std::string_view text, const std::filesystem::path& name) {
  require_utf8_file(text, name);
  const std::unique_ptr<RowReader> reader = make(text, name);
  std::vector<std::vector<std::string>> rows;
  std::vector<std::size_t> lines;
  std::vector<std::string> fields;
  while (reader->next(fields)) {
    rows.push_back(std::move(fields));
    lines.push_back(reader->line());
  }
  Table table = reader->head();
  table.rows = std::move(rows);
  table.lines = std::move(lines);
  return table;
}

}  // namespace temper
