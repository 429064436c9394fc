#include "data/tables/table.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <limits>

#include "data/tables/csv_reader.h"
#include "data/tables/jsonl_reader.h"
#include "tests/data/read_table.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::all_rows;
using testing_support::error_of;
using testing_support::read_table;
using testing_support::read_tables;
using testing_support::TemporaryFolder;
using Row = std::vector<std::string>;

TEST(Table, OfSeveralFilesHasTheColumnsOfTheFirstByName) {
  const TemporaryFolder folder;
  const std::vector<std::filesystem::path> paths = {folder.file("one.csv", "text,label\na,1\nb,2\n"),
                                                    folder.file("two.csv", "id,label,text\n7,3,c\n"),
                                                    folder.file("three.jsonl", "\n{\"text\": \"d\", \"label\": 4}\n")};
  const std::unique_ptr<TableSource> source = open_tables(paths);
  EXPECT_EQ(source->rows_of_files(), (std::vector<std::int64_t>{2, 1, 1}));
  const Table table = all_rows(*source, 3);
  EXPECT_EQ(table.columns, (Row{"text", "label"}));
  EXPECT_EQ(table.rows, (std::vector<Row>{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}));
  EXPECT_HAS(place_of(table, 1), "one.csv, line 3");
  EXPECT_HAS(place_of(table, 2), "two.csv, line 2");
  EXPECT_HAS(place_of(table, 3), "three.jsonl, line 2");
  EXPECT_HAS(table.path.string(), "one.csv and 2 more files");
}

TEST(Table, ColumnsThatAPartLacksAreRefusedOnlyWhereTheyAreUsed) {
  const TemporaryFolder folder;
  const std::vector<std::filesystem::path> paths = {folder.file("one.csv", "text,label,note\na,1,x\n"),
                                                    folder.file("two.csv", "text,lable\nb,2\n")};
  const Table table = read_tables(paths);
  EXPECT_EQ(column_index(table, "text"), 0U);
  EXPECT_HAS(error_of([&] { column_index(table, "label"); }),
             "two.csv: has no column \"label\", did you mean \"lable\"?; its columns are \"text\", \"lable\"");
  EXPECT_HAS(error_of([&] { column_index(table, "lable"); }), "one.csv and 1 more file: has no column \"lable\"");
}

TEST(Table, RowsMoveWithTheirPlaces) {
  const TemporaryFolder folder;
  const std::vector<std::filesystem::path> paths = {folder.file("one.csv", "text\na\nb\n"),
                                                    folder.file("two.csv", "text\nc\n")};
  Table table = read_tables(paths);
  Table some = without_rows(table);
  move_row(table, 2, some);
  move_row(table, 1, some);
  EXPECT_EQ(some.rows, (std::vector<Row>{{"c"}, {"b"}}));
  EXPECT_HAS(place_of(some, 0), "two.csv, line 2");
  EXPECT_HAS(place_of(some, 1), "one.csv, line 3");
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
  EXPECT_EQ(files_named(std::vector{folder.path().string()}), (Paths{at("c.txt")})) << "tables are not taken unnamed";
  std::filesystem::create_directory(at("inner"));
  EXPECT_HAS(error_of([&] { files_named(std::vector{at("inner")}); }), "is a directory without .txt files");
  EXPECT_FALSE(folder.file("inner/a.TXT", "x\n").empty());
  EXPECT_EQ(files_named(std::vector{folder.path().string()}), (Paths{at("c.txt"), at("inner/a.TXT")}));
}

TEST(TableSource, IsReadAsOftenAsWantedAndUntilSomebodyHasEnough) {
  const TemporaryFolder folder;
  for (const char* name : {"a.csv", "a.tsv", "a.txt"}) {
    const std::unique_ptr<TableSource> source = open_table(folder.file(name, "text\none\ntwo\nthree\n"));
    const Table first = all_rows(*source, 1);
    EXPECT_EQ(first.rows, all_rows(*source, 100).rows) << name;
    std::int64_t seen = 0;
    source->read(1, [&](Table&, std::int64_t) { return ++seen < 2; });
    EXPECT_EQ(seen, 2);
  }
}

TEST(TableSource, HoldsNoMoreThanAChunk) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "skipped: a sanitizer keeps books of its own";
#endif
  const TemporaryFolder folder;
  std::string text = "text\n";
  for (int row = 0; row < 60000; ++row) text += "a text that is longer than a short string may be\n";
  for (const char* name : {"a.csv", "a.txt"}) {
    const std::unique_ptr<TableSource> source = open_table(folder.file(name, text));
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    std::int64_t most = 0;
    source->read(1000, [&](Table&, std::int64_t first) {
      if (first == 0) return true;
      const auto heap = mallinfo2();
      least = std::min(least, static_cast<std::int64_t>(heap.uordblks + heap.hblkhd));
      most = std::max(most, static_cast<std::int64_t>(heap.uordblks + heap.hblkhd));
      return true;
    });
    EXPECT_LT(most - least, 1 << 18) << name;
  }
}

TEST(TableSource, PartsOfATableKeepTheirPlaces) {
  const TemporaryFolder folder;
  const std::vector<std::filesystem::path> paths = {folder.file("one.csv", "text\na\nb\nc\n"),
                                                    folder.file("two.csv", "text\nb\na\n")};
  const std::unique_ptr<TableSource> whole = open_tables(paths);
  const PartOfTable part(*whole, [](const std::vector<std::string>& row) { return row[0] != "a"; }, {2, 1});
  const Table table = all_rows(part, 4);
  EXPECT_EQ(table.rows, (std::vector<Row>{{"b"}, {"c"}, {"b"}}));
  EXPECT_HAS(place_of(table, 2), "two.csv, line 2");
}

TEST(TableSource, HeldRowsComeInChunksToo) {
  const Table table = parse_table(csv_rows, "text,label\na,1\nb,2\nc,3\n", "one.csv");
  const Table again = all_rows(HeldTable(table), 2);
  EXPECT_EQ(again.rows, table.rows);
  EXPECT_EQ(again.lines, table.lines);
}

TEST(TableReader, FindsWhatIsNoUtf8BehindManyMebibytes) {
  const TemporaryFolder folder;
  std::string text = "text\n";
  // Characters of two bytes, so that pieces would be cut inside of one.
  while (text.size() < (std::size_t{9} << 20)) text += "\xC3\xA9\xC3\xA9\xC3\xA9x\n";
  EXPECT_EQ(error_of([&] { open_table(folder.file("good.txt", text)); }), "");
  const std::size_t end = text.size();
  EXPECT_HAS(error_of([&] { open_table(folder.file("bad.txt", text + "\xC3\n")); }),
             "byte 0xC3 at byte offset " + std::to_string(end));
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
