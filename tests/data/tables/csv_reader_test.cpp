#include "data/tables/csv_reader.h"

#include <gtest/gtest.h>

#include "tests/data/read_table.h"
#include "tests/data/temporary_folder.h"
#include "tests/shared_data.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::read_table;
using testing_support::TemporaryFolder;
using Row = std::vector<std::string>;
using Lines = std::vector<std::size_t>;

Table parse_csv(std::string_view text) { return parse_table(csv_rows, text, "a.csv"); }
std::string csv_error(std::string_view text) {
  return error_of([&] { parse_csv(text); });
}

TEST(CsvReader, ReadsRowsUnderNamedColumns) {
  const Table table = parse_csv("text,label\nhello,good\nbye,bad\n");
  EXPECT_EQ(table.columns, (Row{"text", "label"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"hello", "good"}));
  EXPECT_EQ(table.rows[1], (Row{"bye", "bad"}));
  EXPECT_EQ(table.lines, (Lines{2, 3}));
}

TEST(CsvReader, FieldsInQuotesHoldSeparatorsQuotesAndNewLines) {
  const Table table = parse_csv("text,label\n\"a, \"\"b\"\"\nc\",1\nd,2\n");
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"a, \"b\"\nc", "1"}));
  EXPECT_EQ(table.rows[1], (Row{"d", "2"}));
  EXPECT_EQ(table.lines, (Lines{2, 4})) << "the first row covers two lines";
}

TEST(CsvReader, LinesMayEndWithCarriageReturnAndTheLastWithNothing) {
  const Table table = parse_csv("text,label\r\na,1\r\n\"b\r\nc\",2");
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"a", "1"}));
  EXPECT_EQ(table.rows[1], (Row{"b\r\nc", "2"}));
  EXPECT_EQ(table.lines, (Lines{2, 3}));
}

TEST(CsvReader, SkipsByteOrderMarkAndEmptyLines) {
  const Table table = parse_csv("\xEF\xBB\xBFtext,label\n\na,1\n\r\n\nb,2\n\n");
  EXPECT_EQ(table.columns.front(), "text");
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.lines, (Lines{3, 6}));
}

TEST(CsvReader, KeepsEmptyFieldsAndQuotesInsidePlainFields) {
  const Table table = parse_csv("a,b,c\n,,\n5\" disk,\"\",x\n");
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"", "", ""}));
  EXPECT_EQ(table.rows[1], (Row{"5\" disk", "", "x"}));
}

TEST(CsvReader, ReadsTabs) {
  const Table table = parse_table(tsv_rows, "text\tlabel\na, b\t1\n", "a.tsv");
  ASSERT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(table.rows[0], (Row{"a, b", "1"}));
}

TEST(CsvReader, RefusesMissingFileFolderAndEmptyFile) {
  const TemporaryFolder folder;
  EXPECT_HAS(error_of([&] { read_table(folder.path() / "none.csv"); }), "none.csv: no such file");
  std::filesystem::create_directory(folder.path() / "folder.csv");
  EXPECT_HAS(error_of([&] { read_table(folder.path() / "folder.csv"); }), "is a directory");
  EXPECT_HAS(error_of([&] { read_table(folder.file("empty.csv", "")); }), "empty.csv: the file is empty");
  EXPECT_HAS(csv_error("\n\n"), "a.csv: the file is empty");
}

TEST(CsvReader, RefusesAHeaderWithoutRows) {
  EXPECT_EQ(csv_error("text,label\n"), "a.csv: has a first row that names the columns but no row of data below it");
}

TEST(CsvReader, RefusesRowsOfOtherWidthWithLineAndCounts) {
  EXPECT_EQ(csv_error("text,label\na,1\nb\n"), "a.csv, line 3: the row has 1 field, expected 2 as in the first row");
  EXPECT_HAS(csv_error("text,label\n\"a\n\",1\nb,c,2\n"), "a.csv, line 4: the row has 3 fields, expected 2");
}

TEST(CsvReader, RefusesAQuoteThatIsNotClosedWithTheLineWhereItOpens) {
  EXPECT_HAS(csv_error("text,label\na,1\nb,\"c\nd,2\ne,3\n"), "a.csv, line 3: a quote is opened and never closed");
}

TEST(CsvReader, RefusesTextBehindAClosingQuote) {
  EXPECT_HAS(csv_error("text,label\n\"a\"b,1\n"), "a.csv, line 2: field 1 goes on behind its closing quote");
}

TEST(CsvReader, TwoColumnsOfOneNameAreRefusedOnlyWhereTheyAreUsed) {
  const Table table = parse_csv("text,label,,,note,note,note\na,1,,,x,y,z\n");
  EXPECT_EQ(column_index(table, "label"), 1U);
  EXPECT_EQ(error_of([&] { column_index(table, "note"); }),
            "a.csv: two columns are named \"note\"; a column that is used needs a name of its own");
  EXPECT_HAS(error_of([&] { column_index(table, ""); }), "named \"\"");
}

TEST(CsvReader, SaysWhenLinesEndWithCarriageReturnsAlone) {
  EXPECT_HAS(csv_error("text,label\ra,1\rb,2\r"), "a.csv: its lines end with a carriage return (CR) alone");
  EXPECT_EQ(parse_csv("text,label\na,\"x\ry\"\n").rows[0][1], "x\ry") << "inside a field one is no line end";
  EXPECT_HAS(csv_error("text,label\r"), "no row of data") << "nothing follows it";
}

TEST(CsvReader, SaysWhichSeparatorIsThereInstead) {
  EXPECT_HAS(csv_error("text;label\na, b;1\n"),
             "a.csv: the separator in its first row is the semicolon, expected the comma");
  EXPECT_HAS(csv_error("text\tlabel\na\t1\n"), "is the tab, expected the comma (its only column would be");
  EXPECT_HAS(csv_error("text\tlabel\na\t1\n"), "rename it to .tsv");
  EXPECT_HAS(error_of([] { parse_table(tsv_rows, "text,label\na,1\n", "a.tsv"); }), "rename it to .csv");
  EXPECT_EQ(parse_csv("text\na; b\n").rows[0], (Row{"a; b"})) << "one column is no fault";
}

TEST(CsvReader, CallsOtherKindsOfFilesByTheirName) {
  EXPECT_HAS(csv_error("\x1F\x8B\x08\x00\xFF"), "a.csv: is compressed with gzip");
  EXPECT_HAS(csv_error("PK\x03\x04\xFF"), "a.csv: is a zip archive");
}

TEST(CsvReader, RefusesWhatIsNotUtf8WithTheByteOffsetInTheFile) {
  EXPECT_HAS(csv_error("\xEF\xBB\xBFtext\nab\xE4\n"), "a.csv: is not UTF-8: byte 0xE4 at byte offset 10 (line 2)");
  EXPECT_HAS(csv_error("\xFF\xFEt"), "UTF-16");
}

TEST(Table, MissingColumnNamesTheNearestAndListsAll) {
  EXPECT_EQ(error_of([] { column_index(parse_csv("text,label\na,1\n"), "lable"); }),
            "a.csv: has no column \"lable\", did you mean \"label\"?; its columns are \"text\", \"label\"");
}

TEST(CsvReader, ReadsRealData) {
  TEMPER_REQUIRE_SHARED(path, "data/clinc150/train.csv");
  const Table table = read_table(path);
  EXPECT_EQ(table.columns, (Row{"text", "label"}));
  EXPECT_EQ(table.rows.size(), 15000U);
  EXPECT_EQ(table.rows[1][0], "can you tell me how to say 'i do not speak much spanish', in spanish");
}

}  // namespace
}  // namespace temper
