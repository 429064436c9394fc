#include "data/tables/table.h"

#include <gtest/gtest.h>

#include "data/tables/csv_reader.h"
#include "data/tables/jsonl_reader.h"
#include "data/tables/table_reader.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::TemporaryFolder;
using Row = std::vector<std::string>;

TEST(Table, OfSeveralFilesHasTheColumnsOfTheFirstByName) {
  std::vector<Table> parts;
  parts.push_back(parse_csv("text,label\na,1\nb,2\n", "one.csv"));
  parts.push_back(parse_csv("id,label,text\n7,3,c\n", "two.csv"));
  parts.push_back(parse_jsonl("\n{\"text\": \"d\", \"label\": 4}\n", "three.jsonl"));
  const Table table = concatenate_tables(std::move(parts));
  EXPECT_EQ(table.columns, (Row{"text", "label"}));
  EXPECT_EQ(table.rows, (std::vector<Row>{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}));
  EXPECT_EQ(place_of(table, 1), "one.csv, line 3");
  EXPECT_EQ(place_of(table, 2), "two.csv, line 2");
  EXPECT_EQ(place_of(table, 3), "three.jsonl, line 2");
  EXPECT_EQ(table.path, "one.csv and 2 more files");
}

TEST(Table, ColumnsThatAPartLacksAreRefusedOnlyWhereTheyAreUsed) {
  std::vector<Table> parts;
  parts.push_back(parse_csv("text,label,note\na,1,x\n", "one.csv"));
  parts.push_back(parse_csv("text,lable\nb,2\n", "two.csv"));
  const Table table = concatenate_tables(std::move(parts));
  EXPECT_EQ(column_index(table, "text"), 0U);
  EXPECT_EQ(error_of([&] { column_index(table, "label"); }),
            "two.csv: has no column \"label\", did you mean \"lable\"?; its columns are \"text\", \"lable\"");
  EXPECT_HAS(error_of([&] { column_index(table, "lable"); }), "one.csv and 1 more file: has no column \"lable\"");
}

TEST(Table, RowsMoveWithTheirPlaces) {
  std::vector<Table> parts;
  parts.push_back(parse_csv("text\na\nb\n", "one.csv"));
  parts.push_back(parse_csv("text\nc\n", "two.csv"));
  Table table = concatenate_tables(std::move(parts));
  Table some = without_rows(table);
  move_row(table, 2, some);
  move_row(table, 1, some);
  EXPECT_EQ(some.rows, (std::vector<Row>{{"c"}, {"b"}}));
  EXPECT_EQ(place_of(some, 0), "two.csv, line 2");
  EXPECT_EQ(place_of(some, 1), "one.csv, line 3");
}

TEST(TableReader, NamesAndPatternsStandForFiles) {
  const TemporaryFolder folder;
  for (const char* name : {"b.csv", "a.csv", "c.txt", "odd[1].csv"})
    EXPECT_FALSE(folder.file(name, "text\nx\n").empty());
  const auto at = [&](const char* name) { return (folder.path() / name).string(); };
  using Paths = std::vector<std::filesystem::path>;
  EXPECT_EQ(files_named(std::vector{at("[ab].csv"), at("c.txt")}), (Paths{at("a.csv"), at("b.csv"), at("c.txt")}));
  EXPECT_EQ(files_named(std::vector{at("odd[1].csv")}), (Paths{at("odd[1].csv")})) << "a file of this name comes first";
  EXPECT_EQ(files_named(std::vector{at("absent.csv")}), (Paths{at("absent.csv")})) << "which its reader refuses";
  EXPECT_HAS(error_of([&] { files_named(std::vector{at("*.jsonl")}); }), "no file fits this pattern");
}

TEST(TableReader, SaysHowToConvertParquet) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.file("rows.parquet", "PAR1");
  EXPECT_HAS(error_of([&] { read_table(path); }), "import pandas; pandas.read_parquet('" + path.string());
  EXPECT_HAS(error_of([&] { read_table(path); }), "rows.jsonl'");
}

TEST(TextReader, TakesEachLineThatIsNotBlank) {
  const TemporaryFolder folder;
  const Table table = read_table(folder.file("a.txt", "\xEF\xBB\xBFone, \"two\"\r\n\n  \t\xC2\xA0\nthree"));
  EXPECT_EQ(table.columns, (Row{"text"}));
  EXPECT_EQ(table.rows, (std::vector<Row>{{"one, \"two\""}, {"three"}}));
  EXPECT_EQ(table.lines, (std::vector<std::size_t>{1, 4}));
  EXPECT_HAS(error_of([&] { read_table(folder.file("b.txt", "\n \n")); }), "b.txt: the file has only blank lines");
  EXPECT_HAS(error_of([&] { read_table(folder.file("c.txt", "a\rb\r")); }), "carriage return (CR) alone");
  EXPECT_HAS(error_of([&] { read_table(folder.file("d.txt", "a\xFF\n")); }), "is not UTF-8");
}

}  // namespace
}  // namespace temper
