#include "data/text/cut_rows.h"

#include <gtest/gtest.h>

#include "data/tables/csv_reader.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

/// Rows of 3, 4 and 5 tokens, special ones included.
constexpr const char* kCutRows = "text,label\ncat,O\nthe cat,O O\nthe cat sat,O O O\n";

std::int64_t cut_at(std::size_t max_length, LabelKind kind, std::int64_t begin = 0) {
  const std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(testing_support::small_bert());
  const Table table = parse_table(csv_rows, kCutRows, "a.csv");
  const ColumnChoice columns{"text", "", "label"};
  const TokenizeOptions options{max_length, 1, kind};
  const TokenRows rows = tokenize_rows(table, columns, *tokenizer, LabelSet::from_names({"O", "O O", "O O O"}), options,
                                       begin, static_cast<std::int64_t>(table.rows.size()));
  std::vector<std::int64_t> lengths;
  for (std::int64_t row = 0; row < rows.rows(); ++row) lengths.push_back(rows.length(row));
  return count_cut_rows(lengths, table, begin, columns, *tokenizer, options);
}

TEST(CutRows, ThoseThatJustFitAreNotCut) {
  for (const LabelKind kind : {LabelKind::single_class, LabelKind::token_class}) {
    EXPECT_EQ(cut_at(3, kind), 2);
    EXPECT_EQ(cut_at(4, kind), 1);
    EXPECT_EQ(cut_at(5, kind), 0);
    EXPECT_EQ(cut_at(4, kind, 2), 1);
    EXPECT_EQ(cut_at(3, kind, 2), 1);
  }
}

TEST(CutRows, AreToldAsASentence) {
  EXPECT_EQ(cut_rows_note(1, 1, 5, false), "1 of 1 row is longer than 5 tokens: what lies beyond is cut off");
  EXPECT_EQ(cut_rows_note(2, 3, 5, true),
            "2 of 3 rows are longer than 5 tokens: what lies before the last of them is cut off");
}

}  // namespace
}  // namespace temper
