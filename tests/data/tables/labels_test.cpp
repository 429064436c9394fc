#include "data/tables/labels.h"

#include <gtest/gtest.h>

#include "data/tables/csv_reader.h"
#include "tests/data/read_table.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::collect_labels;
using testing_support::error_of;
using Names = std::vector<std::string>;

Names collected(std::string_view csv, LabelKind kind) {
  return collect_labels(parse_table(csv_rows, csv, "a.csv"), {"text", "", "label"}, kind).names();
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
  EXPECT_EQ(split_words("[1 2] (1, 2)"), (Names{"[1", "2]", "(1,", "2)"}));
  EXPECT_EQ(split_words("(1, 2)"), (Names{"(1,", "2)"}));
  EXPECT_EQ(split_words("[None]"), (Names{"[None]"}));
  EXPECT_HAS(error_of([] { split_words("['the', None]"); }), "holds a null among its words");
  EXPECT_EQ(split_words("['the', \"bank's\"]"), (Names{"the", "bank's"}));
  EXPECT_EQ(split_words("[\"a b\", \"c\"]"), (Names{"a b", "c"}));
  EXPECT_TRUE(split_words("  ").empty());
}

TEST(Labels, ListsOfPythonAndNumpyAreNames) {
  EXPECT_EQ(collected("text,label\na b,\"['O', 'B-X']\"\nc,['O' 'I-X']\n", LabelKind::token_class),
            (Names{"B-X", "I-X", "O"}));
  EXPECT_EQ(collected("text,label\na,\"['pos', 'neu']\"\nb,[]\nc,\"('neg',)\"\n", LabelKind::multi_label),
            (Names{"neg", "neu", "pos"}));
  EXPECT_EQ(collected("text,label\na,['pos']\nb,neg\n", LabelKind::single_class), (Names{"neg", "pos"}));
}

TEST(Labels, BracketsThatAreNoListAreRefusedWithTheirLine) {
  for (const char* field : {"\"[O, B-X]\"", "\"['O', 'B\"", "[O]", "\"[['O'], ['O']]\"", "['O' ... 'O']"})
    for (const LabelKind kind : {LabelKind::token_class, LabelKind::multi_label}) {
      const std::string csv = "text,label\na b,O\na b," + std::string(field) + "\n";
      EXPECT_HAS(error_of([&] { collected(csv, kind); }), "a.csv, line 3: ") << field;
      EXPECT_HAS(error_of([&] { collected(csv, kind); }), "begins with [ but is no list") << field;
    }
  EXPECT_EQ(collected("text,label\na,[INST]\nb,\"[0, 18]\"\n", LabelKind::single_class), (Names{"[0, 18]", "[INST]"}))
      << "a class may be called so";
}

TEST(Labels, SeveralLabelsOfASingleClassAreRefused) {
  EXPECT_HAS(error_of([] { collected("text,label\na,x\nb,\"['x', 'y']\"\n", LabelKind::single_class); }),
             "a.csv, line 3: \"['x', 'y']\" in column \"label\" is a list of 2 labels, expected one");
}

TEST(Labels, WordsMayBeWithoutOne) {
  EXPECT_EQ(collected("text,label\na b c,\"[-100, 1, null]\"\na b,0 -100\nc,\"[None, nan]\"\n", LabelKind::token_class),
            (Names{"0", "1"}));
  EXPECT_HAS(error_of([] { collected("text,label\na b,-100 -100\n", LabelKind::token_class); }),
             "a.csv: no row has a label in column \"label\"");
  EXPECT_HAS(error_of([] { collected("text,label\na,\"[\"\"O\"\", \"\" \"\"]\"\n", LabelKind::token_class); }),
             "a.csv, line 2: the label in column \"label\" is empty");
}

TEST(Labels, ARowWithoutOneIsRefused) {
  for (const char* blank : {"", "  ", "\xC2\xA0", "\t"})
    EXPECT_HAS(error_of([&] { collected("text,label\na,x\nb," + std::string(blank) + "\n", LabelKind::single_class); }),
               "a.csv, line 3: the label in column \"label\" is empty");
  for (const char* ignored : {"-100", "-100.0"})
    EXPECT_HAS(error_of([&] { collected("text,label\na," + std::string(ignored) + "\n", LabelKind::single_class); }),
               "which stands for no label");
  EXPECT_EQ(collected("text,label\na,-1\nb,0\nc,1\n", LabelKind::single_class), (Names{"-1", "0", "1"}))
      << "-1 is the negative class of many files";
  EXPECT_HAS(error_of([] { collected("text,label\na,\nb,\n", LabelKind::multi_label); }),
             "a.csv: no row has a label in column \"label\"; check data.label");
  EXPECT_HAS(error_of([] { collected("text,label\na,\"['x', None]\"\n", LabelKind::multi_label); }),
             "a.csv, line 2: \"['x', None]\" holds a null");
}

TEST(Labels, ArraysOfZerosAndOnesNameNothing) {
  for (const char* rows : {"\"[0, 1, 0]\"\nb,\"[1, 1, 0]\"\n", "[0 1 0]\nb,[0. 0. 0.]\n",
                           "\"[true, false, false]\"\nb,\"(False, False, True)\"\n", "\"[0, 1]\"\nb,\"[1, 0]\"\n",
                           "\"['0', '1', '1']\"\nb,\"[0, 0, 0]\"\n"})
    EXPECT_HAS(error_of([&] { collected("text,label\na," + std::string(rows), LabelKind::multi_label); }),
               "a.csv: column \"label\" holds arrays of 0 and 1")
        << rows;
  EXPECT_EQ(collected("text,label\na,[0]\nb,[1]\n", LabelKind::multi_label), (Names{"0", "1"}));
  EXPECT_EQ(collected("text,label\na,\"[0, 1]\"\nb,[2]\nc,\"[0, 2]\"\n", LabelKind::multi_label),
            (Names{"0", "1", "2"}))
      << "numbers of labels";
}

TEST(Labels, ArraysOfZerosAndOnesAreSoInEveryRow) {
  EXPECT_HAS(
      error_of([] { collected("text,label\na,\"[0, 1, 0]\"\nb,\"[0, 1]\"\n", LabelKind::multi_label); }),
      "a.csv, line 3: found \"[0, 1]\" in column \"label\", expected 3 numbers 0 or 1, one per label, as in a.csv, "
      "line 2");
  EXPECT_HAS(error_of([] { collected("text,label\na,\nb,\"[0, 0]\"\n", LabelKind::multi_label); }),
             "a.csv, line 2: found");
  EXPECT_HAS(error_of([] { collected("text,label\na,\"[0.5, 1]\"\nb,\"[0, 0]\"\n", LabelKind::multi_label); }),
             "shares of labels cannot be trained on");
}

TEST(Labels, OfOneColumnPerLabelAreTheColumns) {
  const Table table = parse_table(csv_rows, "text,toxic,rude\na,0,1\n", "a.csv");
  const ColumnChoice columns{"text", "", "", {"toxic", "rude"}};
  EXPECT_EQ(collect_labels(table, columns, LabelKind::multi_label).names(), (Names{"toxic", "rude"}));
  EXPECT_EQ(collect_labels(table, columns, LabelKind::single_class).names(), (Names{"toxic", "rude"}));
  EXPECT_HAS(error_of([&] { collect_labels(table, columns, LabelKind::token_class); }), "takes one column");
  EXPECT_HAS(error_of([&] {
               collect_labels(table, {"text", "", "", {"toxic", "rud"}}, LabelKind::multi_label);
             }),
             "has no column \"rud\", did you mean \"rude\"?");
}

TEST(Labels, NamesHaveIds) {
  const LabelSet set = LabelSet::from_names({"no", "yes"});
  EXPECT_EQ(set.size(), 2U);
  EXPECT_EQ(set.id_of("yes"), 1);
  EXPECT_EQ(set.name(1), "yes");
  EXPECT_EQ(set.id_of("maybe"), std::nullopt);
}

TEST(Labels, AnIdStandsForANameUnlessNamesAreNumbers) {
  EXPECT_EQ(LabelSet::from_names({"no", "yes"}).id_of("1"), 1);
  EXPECT_EQ(LabelSet::from_names({"no", "yes"}).id_of("1.0"), 1);
  EXPECT_EQ(LabelSet::from_names({"no", "yes"}).id_of("0.5"), std::nullopt);
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
