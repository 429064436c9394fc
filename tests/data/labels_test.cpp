#include "data/labels.h"

#include <gtest/gtest.h>

#include "data/csv_reader.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using Names = std::vector<std::string>;

Names collected(std::string_view csv, LabelKind kind) {
  return collect_labels(parse_csv(csv, "a.csv"), "label", kind).names();
}

TEST(Labels, AreSortedBytewise) {
  EXPECT_EQ(collected("text,label\na,b\nb,a\nc,B\nd,a\n", LabelKind::single_class), (Names{"B", "a", "b"}));
}

TEST(Labels, NumbersAreSortedByValue) {
  EXPECT_EQ(collected("text,label\na,10\nb,9\nc,-1\nd,2.5\n", LabelKind::single_class),
            (Names{"-1", "2.5", "9", "10"}));
  EXPECT_EQ(collected("text,label\na,10\nb,9\nc,x\n", LabelKind::single_class), (Names{"10", "9", "x"}));
}

TEST(Labels, SeveralOfARowStandBetweenBarsOrInAnArray) {
  EXPECT_EQ(collected("text,label\na,x | y\nb,\nc,\"[\"\"z\"\", \"\"x\"\", 1]\"\n", LabelKind::multi_label),
            (Names{"1", "x", "y", "z"}));
}

TEST(Labels, OfWordsStandBetweenBlanksOrInAnArray) {
  EXPECT_EQ(collected("text,label\na b,O  PER\nc,\"[\"\"LOC\"\"]\"\n", LabelKind::token_class),
            (Names{"LOC", "O", "PER"}));
}

TEST(Labels, WordsThatOnlyLookLikeAnArrayAreWords) {
  EXPECT_EQ(split_words(" [a] b\tc]\n"), (Names{"[a]", "b", "c]"}));
  EXPECT_EQ(split_words("[a]"), (Names{"[a]"}));
  EXPECT_EQ(split_words("[\"a b\", \"c\"]"), (Names{"a b", "c"}));
  EXPECT_TRUE(split_words("  ").empty());
}

TEST(Labels, RegressionHasNone) { EXPECT_TRUE(collected("text,label\na,1\n", LabelKind::regression).empty()); }

TEST(Labels, NamesHaveIds) {
  const LabelSet set = LabelSet::from_names({"no", "yes"});
  EXPECT_EQ(set.size(), 2U);
  EXPECT_EQ(set.id_of("yes"), 1);
  EXPECT_EQ(set.name(1), "yes");
  EXPECT_EQ(set.id_of("maybe"), std::nullopt);
}

TEST(Labels, AnIdStandsForANameUnlessNamesAreNumbers) {
  EXPECT_EQ(LabelSet::from_names({"no", "yes"}).id_of("1"), 1);
  EXPECT_EQ(LabelSet::from_names({"no", "yes"}).id_of("2"), std::nullopt);
  EXPECT_EQ(LabelSet::from_names({"no", "yes"}).id_of("-1"), std::nullopt);
  EXPECT_EQ(LabelSet::from_names({"5", "7"}).id_of("1"), std::nullopt);
  EXPECT_EQ(LabelSet::from_names({"1", "0"}).id_of("1"), 0);
}

TEST(Labels, RefuseEmptyAndTwice) {
  EXPECT_HAS(error_of([] { collected("text,label\na,x\nb,\n", LabelKind::single_class); }),
             "a.csv, line 3: the label in column \"label\" is empty");
  EXPECT_HAS(error_of([] { LabelSet::from_names({"a", "a"}); }), "\"a\" is listed twice");
}

TEST(Labels, NumbersAreFinite) {
  EXPECT_EQ(parse_number(" -1.5e3 "), -1500.0);
  EXPECT_EQ(parse_number("+2"), 2.0);
  for (const char* text : {"", "x", "1x", "nan", "inf", "1e999", "+-1", "0x10"})
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
}

}  // namespace
}  // namespace temper
