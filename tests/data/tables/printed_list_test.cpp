#include "data/tables/printed_list.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

using Elements = std::vector<std::optional<std::string>>;

/// Text of elements; "-" for one without text, "none" for what is no list.
std::string shown(std::string_view text) {
  const std::optional<PrintedList> list = parse_printed_list(text);
  if (!list) return "none";
  std::string out;
  for (const std::optional<std::string>& element : list->elements) out += "<" + element.value_or("-") + ">";
  return out;
}

TEST(PrintedList, ReadsJson) {
  EXPECT_EQ(shown(R"(["a", 1, true, null, -2.50])"), "<a><1><true><-><-2.50>");
  EXPECT_EQ(shown(R"(["\u00e9\ud83d\ude00\n\"\\\/"])"), "<é😀\n\"\\/>");
  EXPECT_EQ(shown(" [] "), "");
  EXPECT_EQ(shown("[12345678901234567890123]"), "<12345678901234567890123>") << "digits stay";
}

TEST(PrintedList, ReadsWhatPythonPrints) {
  EXPECT_EQ(shown("['O', 'B-X']"), "<O><B-X>");
  EXPECT_EQ(shown(R"(['it\'s', "don't", 'a "b"', '\x41\t\\'])"), "<it's><don't><a \"b\"><A\t\\>");
  EXPECT_EQ(shown("('a', 'b')"), "<a><b>");
  EXPECT_EQ(shown("('a',)"), "<a>");
  EXPECT_EQ(shown("{'a', 'b'}"), "<a><b>");
  EXPECT_EQ(shown("[True, False, None, nan]"), "<True><False><-><->");
  EXPECT_EQ(shown("['a', 'b',]"), "<a><b>");
  EXPECT_EQ(shown("[u'a', b'c']"), "<a><c>");
}

TEST(PrintedList, ReadsWhatNumpyPrints) {
  EXPECT_EQ(shown("[0 1 0]"), "<0><1><0>");
  EXPECT_EQ(shown("[ 0.  1.\n  0.]"), "<0.><1.><0.>");
  EXPECT_EQ(shown("['O' 'B-X']"), "<O><B-X>");
  EXPECT_EQ(shown("array(['a', 'b'], dtype=object)"), "<a><b>");
  EXPECT_EQ(shown("array([0, 1])"), "<0><1>");
  EXPECT_EQ(shown("[np.str_('a'), np.int64(3), np.True_]"), "<a><3><True>");
}

TEST(PrintedList, TellsHowItWasWritten) {
  EXPECT_TRUE(parse_printed_list("['a', 'b']")->all_quoted);
  EXPECT_FALSE(parse_printed_list("['a', 1]")->all_quoted);
  EXPECT_FALSE(parse_printed_list("[]")->all_quoted);
  EXPECT_TRUE(parse_printed_list("[1, 2]")->has_commas);
  EXPECT_FALSE(parse_printed_list("[1 2]")->has_commas);
  EXPECT_TRUE(parse_printed_list("[1]")->square_brackets);
  EXPECT_FALSE(parse_printed_list("(1, 2)")->square_brackets);
}

TEST(PrintedList, NothingElseIsOne) {
  for (const char* text :
       {"",         "a",       "[a]",     "[a, b]",        "['a'",      "['a', 'b",    "[['a'], ['b']]",
        "{'a': 1}", "(a)",     "('a')",   "(1)",           "[1, 2",     "[,]",         "['a''b']",
        "[1, 2 3]", "['a'] x", "x ['a']", R"(["\ud83d"])", R"(["\q"])", "[0 1 ... 0]", "[1e999]",
        "array(1)"})
    EXPECT_EQ(shown(text), "none") << text;
}

TEST(PrintedList, GoesOnlySoDeep) {
  const auto nested = [](int calls) {
    std::string text = "[";
    for (int i = 0; i < calls; ++i) text += "np.str_(";
    return text + "'a'" + std::string(static_cast<std::size_t>(calls), ')') + "]";
  };
  EXPECT_EQ(shown(nested(8)), "<a>");
  EXPECT_EQ(shown(nested(9)), "none");
  EXPECT_EQ(shown(nested(1'000'000)), "none");
}

}  // namespace
}  // namespace temper
