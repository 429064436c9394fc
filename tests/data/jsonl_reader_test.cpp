#include "data/jsonl_reader.h"

#include <gtest/gtest.h>

#include "data/table_reader.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::TemporaryFolder;
using Row = std::vector<std::string>;

Table parse(std::string_view text) { return parse_jsonl(text, "a.jsonl"); }
std::string parse_error(std::string_view text) {
  return error_of([&] { parse(text); });
}

TEST(JsonlReader, MembersOfTheFirstObjectAreColumns) {
  const Table table =
      parse("{\"text\": \"a\\nb\", \"label\": \"x\"}\r\n\n{\"label\": \"y\", \"more\": 1, \"text\": \"c\"}");
  EXPECT_EQ(table.columns, (Row{"text", "label"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"a\nb", "x"}));
  EXPECT_EQ(table.rows[1], (Row{"c", "y"}));
  EXPECT_EQ(table.lines, (std::vector<std::size_t>{1, 3}));
}

TEST(JsonlReader, ValuesBecomeText) {
  const Table table = parse(
      "\xEF\xBB\xBF{\"a\": 3, \"b\": 0.1, \"c\": true, \"d\": [\"x\", 2], \"e\": null, \"f\": \"\\u00e9\", \"g\": "
      "{\"h\": 1}}\n");
  EXPECT_EQ(table.rows[0], (Row{"3", "0.1", "true", "[\"x\",2]", "", "é", "{\"h\":1}"}));
}

TEST(JsonlReader, RefusesASyntaxErrorWithLineAndColumn) {
  // The column counts characters: é is two bytes.
  EXPECT_HAS(parse_error("{\"text\": \"a\"}\n{\"é\": ]}\n"), "a.jsonl, line 2, column 7: is not JSON: syntax error");
  EXPECT_HAS(parse_error("{\"text\": \"a\""), "a.jsonl, line 1, column 13");
}

TEST(JsonlReader, RefusesWhatIsNoObject) {
  EXPECT_HAS(parse_error("[1, 2]\n"), "a.jsonl, line 1: found a JSON array, expected an object");
}

TEST(JsonlReader, RefusesAnObjectThatLacksAMember) {
  EXPECT_EQ(parse_error("{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\"}\n"),
            "a.jsonl, line 2: the object has no member \"label\", which the first object has");
}

TEST(JsonlReader, RefusesAbysmalNestingAndNumbersOutOfRange) {
  EXPECT_HAS(parse_error("{\"a\": " + std::string(100000, '[')), "nests more than");
  EXPECT_EQ(parse_error("{\"a\": \"" + std::string(1000, '[') + "\"}"), "") << "brackets in a string do not nest";
  EXPECT_HAS(parse_error("{\"a\": 1e999}"), "a.jsonl, line 1: holds a number that is beyond the range");
}

TEST(JsonlReader, RefusesEmptyAndNotUtf8) {
  EXPECT_HAS(parse_error("\n  \n"), "a.jsonl: the file is empty");
  EXPECT_HAS(parse_error("{\"a\": \"\xC3\"}"), "byte offset 7");
}

TEST(TableReader, GoesByTheExtension) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_table(folder.file("a.csv", "t,l\nx,y\n")).rows[0], (Row{"x", "y"}));
  EXPECT_EQ(read_table(folder.file("a.TSV", "t\tl\nx\ty\n")).rows[0], (Row{"x", "y"}));
  EXPECT_EQ(read_table(folder.file("a.jsonl", "{\"t\": \"x\"}\n")).rows[0], (Row{"x"}));
  const std::filesystem::path other = folder.file("a.xls", "x");
  EXPECT_EQ(error_of([&] { read_table(other); }),
            other.string() + ": the extension \".xls\" is of no known data format; known are .csv, .tsv, .jsonl");
  EXPECT_HAS(error_of([&] { read_table(folder.path()); }), "is a directory");
  EXPECT_HAS(error_of([&] { read_table(folder.path() / "b"); }), "no such file");
}

}  // namespace
}  // namespace temper
