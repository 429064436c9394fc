#include "data/tables/jsonl_reader.h"

#include <gtest/gtest.h>

#include "tests/data/read_table.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::read_table;
using testing_support::TemporaryFolder;
using Row = std::vector<std::string>;

Table parse_jsonl(std::string_view text) { return parse_table(jsonl_rows, text, "a.jsonl"); }
std::string jsonl_error(std::string_view text) {
  return error_of([&] { parse_jsonl(text); });
}

TEST(JsonlReader, MembersOfTheFirstObjectAreColumns) {
  const Table table =
      parse_jsonl("{\"text\": \"a\\nb\", \"label\": \"x\"}\r\n\n{\"label\": \"y\", \"more\": 1, \"text\": \"c\"}");
  EXPECT_EQ(table.columns, (Row{"text", "label"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"a\nb", "x"}));
  EXPECT_EQ(table.rows[1], (Row{"c", "y"}));
  EXPECT_EQ(table.lines, (std::vector<std::size_t>{1, 3}));
}

TEST(JsonlReader, ValuesBecomeText) {
  const Table table = parse_jsonl(
      "\xEF\xBB\xBF{\"a\": 3, \"b\": 0.1, \"c\": true, \"d\": [\"x\", 2], \"e\": null, \"f\": \"\\u00e9\", \"g\": "
      "{\"h\": 1}}\n");
  EXPECT_EQ(table.rows[0], (Row{"3", "0.1", "true", "[\"x\",2]", "", "é", "{\"h\":1}"}));
}

TEST(JsonlReader, RefusesASyntaxErrorWithLineAndColumn) {
  // The column counts characters: é is two bytes.
  EXPECT_HAS(jsonl_error("{\"text\": \"a\"}\n{\"é\": ]}\n"), "a.jsonl, line 2, column 7: is not JSON: syntax error");
  EXPECT_HAS(jsonl_error("{\"text\": \"a\""), "a.jsonl, line 1, column 13");
}

TEST(JsonlReader, RefusesWhatIsNoObject) {
  EXPECT_HAS(jsonl_error("[1, 2]\n"), "a.jsonl, line 1: found a JSON array, expected an object");
}

TEST(JsonlReader, AMemberThatAnObjectLacksIsRefusedOnlyWhereItIsUsed) {
  const Table table =
      parse_jsonl("{\"text\": \"a\", \"note\": 1}\n{\"text\": \"b\"}\n{\"text\": \"c\", \"note\": 2}\n");
  EXPECT_EQ(table.rows, (std::vector<Row>{{"a", "1"}, {"b", ""}, {"c", "2"}}));
  EXPECT_EQ(column_index(table, "text"), 0U);
  EXPECT_EQ(error_of([&] { column_index(table, "note"); }),
            "a.jsonl, line 2: the object has no member \"note\", which the first object has");
}

TEST(JsonlReader, AMemberThatTheFirstObjectLacksIsRefusedWithItsLine) {
  const Table table = parse_jsonl("\n{\"label\": \"x\"}\n{\"label\": \"y\", \"text\": \"b\"}\n");
  EXPECT_EQ(table.columns, (Row{"label"}));
  EXPECT_EQ(error_of([&] { column_index(table, "text"); }),
            "a.jsonl, line 2: the object has no member \"text\", which that in line 3 has");
}

TEST(JsonlReader, NumbersKeepTheirDigits) {
  const Table table = parse_jsonl(
      "{\"a\": 12345678901234567890123, \"b\": -0.12345678901234567890, \"c\": [98765432109876543210987, 1.50], "
      "\"d\": {\"e\": 1E5}, \"f\": 18446744073709551615, \"g\": 1.0, \"h\": -7}\n");
  EXPECT_EQ(table.rows[0], (Row{"12345678901234567890123", "-0.12345678901234567890", "[98765432109876543210987,1.50]",
                                "{\"e\":1E5}", "18446744073709551615", "1.0", "-7"}));
}

TEST(JsonlReader, WhatIsNestedStaysJson) {
  const Table table = parse_jsonl(
      "{\"a\": [[1, [2]], {\"x\": null, \"y\": [true, \"q\\\"\\n\u00e9\"]}, []], \"b\": {}, \"a\": [{\"k\": {\"l\": "
      "1}, "
      "\"m\": 2}]}\n{\"b\": {\"x\": [], \"y\": {}}, \"a\": [[1, [2]], {\"x\": null, \"y\": [true, \"q\\\"\\n\"]}, "
      "[]]}\n");
  EXPECT_EQ(table.columns, (Row{"a", "b"}));
  EXPECT_EQ(table.rows[0], (Row{"[{\"k\":{\"l\":1},\"m\":2}]", "{}"})) << "of two members of one name the last counts";
  EXPECT_EQ(table.rows[1], (Row{"[[1,[2]],{\"x\":null,\"y\":[true,\"q\\\"\\n\"]},[]]", "{\"x\":[],\"y\":{}}"}));
}

TEST(JsonlReader, SaysOneObjectALineWhereAFileHoldsAnArray) {
  EXPECT_HAS(jsonl_error("[\n {\"text\": \"a\"}\n]\n"), "a.jsonl, line 1: found a JSON array");
  EXPECT_HAS(jsonl_error("[\n {\"text\": \"a\"}\n]\n"), "write one object per line");
  EXPECT_HAS(jsonl_error("[{\"text\": \"a\"}]\n"), "write one object per line");
  EXPECT_HAS(jsonl_error("{\n \"text\": \"a\"\n}\n"), "one whole object per line");
  EXPECT_HAS(jsonl_error("{\"text\": \"a\"}\r{\"text\": \"b\"}\r"), "carriage return (CR) alone");
}

TEST(JsonReader, ReadsAnArrayOfObjectsLaidOutInAnyWay) {
  const Table table =
      parse_table(json_rows,
                  "\xEF\xBB\xBF \n[ {\"text\": \"a ]}\", \"label\": [\"x\"]},\n\n{\n \"label\": \"y\",\n \"text\": "
                  "\"b\\\"}\"\n}\n, {\"text\": "
                  "\"c\", \"label\": 1}]\n",
                  "a.json");
  EXPECT_EQ(table.rows, (std::vector<Row>{{"a ]}", "[\"x\"]"}, {"b\"}", "y"}, {"c", "1"}}));
  EXPECT_EQ(table.lines, (std::vector<std::size_t>{2, 4, 8}));
  EXPECT_EQ(parse_table(json_rows, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", "a.json").rows.size(), 2U)
      << "or one object per line";
}

TEST(JsonReader, RefusesWhatIsNoArrayOfObjectsWithLineAndColumn) {
  const auto refused = [](std::string_view text) { return error_of([&] { parse_table(json_rows, text, "a.json"); }); };
  EXPECT_HAS(refused("3"), "a.json, line 1, column 1: expected [");
  EXPECT_HAS(refused("[\n\n {\"a\": 1}\n {\"a\": 2}]"), "a.json, line 4, column 2: expected a comma or ]");
  EXPECT_HAS(refused("[{\"a\": 1}, 2]"), "a.json, line 1, column 12: expected an object");
  EXPECT_HAS(refused("[{\"a\": 1},]"), "expected an object");
  EXPECT_HAS(refused("[{\"a\": 1}"), "expected a comma or ] behind an object");
  EXPECT_HAS(refused("[{\"a\": 1}] x"), "expected the end of the file");
  EXPECT_HAS(refused("[\n{\"a\": 1,\n \"b\" 2}]"), "a.json, line 3, column 6: is not JSON");
  EXPECT_HAS(refused("[\n{\"a\": \"x"), "a.json, line 2");
  EXPECT_HAS(refused("[]"), "a.json: the file is empty, expected an array of objects");
}

TEST(JsonlReader, RefusesAbysmalNestingAndNumbersOutOfRange) {
  EXPECT_HAS(jsonl_error("{\"a\": " + std::string(100000, '[')), "nests more than");
  EXPECT_EQ(jsonl_error("{\"a\": \"" + std::string(1000, '[') + "\"}"), "") << "brackets in a string do not nest";
  EXPECT_HAS(jsonl_error("{\"a\": 1e999}"), "a.jsonl, line 1: holds a number that is beyond the range");
}

TEST(JsonlReader, RefusesEmptyAndNotUtf8) {
  EXPECT_HAS(jsonl_error("\n  \n"), "a.jsonl: the file is empty");
  EXPECT_HAS(jsonl_error("{\"a\": \"\xC3\"}"), "byte offset 7");
}

TEST(TableReader, GoesByTheExtension) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_table(folder.file("a.csv", "t,l\nx,y\n")).rows[0], (Row{"x", "y"}));
  EXPECT_EQ(read_table(folder.file("a.TSV", "t\tl\nx\ty\n")).rows[0], (Row{"x", "y"}));
  EXPECT_EQ(read_table(folder.file("a.jsonl", "{\"t\": \"x\"}\n")).rows[0], (Row{"x"}));
  const std::filesystem::path other = folder.file("a.xls", "x");
  EXPECT_EQ(
      error_of([&] { read_table(other); }),
      other.string() +
          ": the extension \".xls\" is of no known data format; known are .csv, .tsv, .jsonl, .json, .txt, each also "
          "with .gz");
  EXPECT_HAS(error_of([&] { read_table(folder.path()); }), "is a directory");
  EXPECT_HAS(error_of([&] { read_table(folder.path() / "b"); }), "no such file");
}

}  // namespace
}  // namespace temper
