#include "data/text/cut_rows.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/counted.h"

namespace temper {

std::int64_t count_cut_rows(std::span<const std::int64_t> lengths, const Table& table, std::int64_t begin,
                            const ColumnChoice& columns, const Tokenizer& tokenizer, const TokenizeOptions& options) {
  Table full = without_rows(table);
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    if (std::cmp_less(lengths[row], options.max_length)) continue;
    const std::size_t i = static_cast<std::size_t>(begin) + row;
    full.rows.push_back(table.rows[i]);
    full.lines.push_back(table.lines[i]);
    if (!table.file_of.empty()) full.file_of.push_back(table.file_of[i]);
  }
  TokenizeOptions longer = options;
  ++longer.max_length;
  // Labels do not count tokens, but tell words from a text.
  longer.number_words = options.kind == LabelKind::token_class;
  if (!longer.number_words) longer.kind = LabelKind::none;
  const ColumnChoice text_alone{columns.text, columns.text_pair};
  const TokenRows again = tokenize_rows(full, text_alone, tokenizer, LabelSet::from_names({}), longer, 0,
                                        static_cast<std::int64_t>(full.rows.size()));
  std::int64_t cut = 0;
  for (std::int64_t row = 0; row < again.rows(); ++row)
    cut += std::cmp_greater(again.length(row), options.max_length) ? 1 : 0;
  return cut;
}

std::string cut_rows_note(std::int64_t cut, std::int64_t rows, std::int64_t max_length, bool cuts_left) {
  return fmt::format("{} of {} {} longer than {}: what lies {} is cut off", cut, counted(rows, "row"),
                     plural(cut, "is", "are"), counted(max_length, "token"),
                     cuts_left ? "before the last of them" : "beyond");
}

}  // namespace temper
