#include "data/diagnostics.h"

#include <gtest/gtest.h>

#include "data/tables/csv_reader.h"
#include "data/text/row_tokenization.h"
#include "tests/data/temporary_folder.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

const ColumnChoice kColumns{"text", "", "label"};

std::vector<std::string> names(const std::vector<Finding>& findings) {
  std::vector<std::string> names;
  for (const Finding& finding : findings) names.push_back(finding.name);
  return names;
}

TextNotes notes_of(const Table& table, const ColumnChoice& columns = kColumns) {
  TextNotes notes(table, columns);
  notes.look_at(table);
  return notes;
}

TEST(Diagnostics, GoodTextsGiveNoFindings) {
  EXPECT_TRUE(diagnose_texts(notes_of(parse_table(csv_rows, "text,label\na,x\nb,y\n", "a.csv"))).empty());
}

TEST(Diagnostics, CountDuplicatesConflictsAndBlanks) {
  const std::vector<Finding> findings =
      diagnose_texts(notes_of(parse_table(csv_rows, "text,label\na,x\na,x\na,y\n\" \",x\nb,x\n", "a.csv")));
  ASSERT_EQ(names(findings), (std::vector<std::string>{"duplicates", "conflicting_labels", "empty_text"}));
  EXPECT_DOUBLE_EQ(findings[0].value, 0.4);
  EXPECT_EQ(findings[0].sentence, "a.csv: 2 of 5 rows repeat the text of an earlier row");
  EXPECT_EQ(findings[1].severity, Severity::warning);
  EXPECT_DOUBLE_EQ(findings[1].value, 1.0);
  EXPECT_DOUBLE_EQ(findings[2].value, 0.2);
}

TEST(Diagnostics, ComparePairsOfTexts) {
  const Table table = parse_table(csv_rows, "text,other,label\na,b,x\na,c,x\nab,,x\n,ab,x\n", "a.csv");
  EXPECT_EQ(names(diagnose_texts(notes_of(table, {"text", "other", "label"}))),
            (std::vector<std::string>{"empty_text"}));
}

TEST(Diagnostics, FindHeldOutTextsInTheTrainingData) {
  const TextNotes train = notes_of(parse_table(csv_rows, "text,label\na,x\nb,y\n", "train.csv"));
  const std::vector<Finding> findings =
      diagnose_overlap(train, notes_of(parse_table(csv_rows, "text,label\nb,y\nc,x\nd,x\ne,x\n", "test.csv")), "test");
  ASSERT_EQ(names(findings), (std::vector<std::string>{"leakage"}));
  EXPECT_DOUBLE_EQ(findings[0].value, 0.25);
  EXPECT_HAS(findings[0].sentence, "test.csv: 1 of 4 test rows");
  EXPECT_TRUE(
      diagnose_overlap(train, notes_of(parse_table(csv_rows, "text,label\nc,x\n", "test.csv")), "test").empty());
}

TEST(Diagnostics, CountTextsOfMoreRowsThanOneLooksAtAtOnce) {
  constexpr int kRows = 1'200'000;
  Table chunk{"a.csv", {"text", "label"}, {}, {}};
  TextNotes train(chunk, kColumns);
  for (int row = 0; row < kRows; ++row) {
    chunk.rows.push_back({std::to_string(row % 1'000'000), row < 1'000'100 ? "x" : "y"});
    if (chunk.rows.size() < 10'000 && row + 1 < kRows) continue;
    train.look_at(chunk);
    chunk.rows.clear();
  }
  const std::vector<Finding> findings = diagnose_texts(train);
  ASSERT_EQ(names(findings), (std::vector<std::string>{"duplicates", "conflicting_labels"}));
  EXPECT_HAS(findings[0].sentence, "200000 of 1200000 rows repeat");
  EXPECT_DOUBLE_EQ(findings[1].value, 199'900.0);
  const std::vector<Finding> overlap =
      diagnose_overlap(train, notes_of(parse_table(csv_rows, "text,label\n7,x\n1000000,x\n", "b.csv")), "test");
  ASSERT_EQ(overlap.size(), 1U);
  EXPECT_HAS(overlap[0].sentence, "b.csv: 1 of 2 test rows");
}

TEST(Diagnostics, FindRareAndUnusedLabels) {
  TokenRows rows;
  rows.classes.assign(20, 0);
  rows.classes.insert(rows.classes.end(), {1, 1, kUnlabelled});
  const std::vector<Finding> findings =
      diagnose_labels(TokenStore(rows), LabelSet::from_names({"x", "y", "z"}), RareLabelAdvice::class_weights);
  ASSERT_EQ(names(findings), (std::vector<std::string>{"unused_label", "class_imbalance"}));
  EXPECT_HAS(findings[0].sentence, "no training row has the label \"z\"");
  EXPECT_DOUBLE_EQ(findings[1].value, 10.0);
  EXPECT_HAS(findings[1].sentence, "consider class weights");
  rows.classes.insert(rows.classes.end(), {1, 2, 2, 2});
  EXPECT_TRUE(
      diagnose_labels(TokenStore(rows), LabelSet::from_names({"x", "y", "z"}), RareLabelAdvice::class_weights).empty());
}

TEST(Diagnostics, NameLabelsThatLookAlike) {
  const std::vector<Finding> findings =
      diagnose_label_names(LabelSet::from_names({" pos", "NEG", "neg", "pos"}), LabelKind::single_class);
  ASSERT_EQ(names(findings), (std::vector<std::string>{"labels_alike"}));
  EXPECT_EQ(findings[0].severity, Severity::warning);
  EXPECT_DOUBLE_EQ(findings[0].value, 2.0);
  EXPECT_HAS(findings[0].sentence, "\" pos\" and \"pos\"; \"NEG\" and \"neg\"");
  const std::vector<Finding> unicode =
      diagnose_label_names(LabelSet::from_names({"caf\u00E9", "cafe\u0301", "x", "x\u200B"}), LabelKind::single_class);
  ASSERT_EQ(unicode.size(), 1U);
  EXPECT_HAS(unicode[0].sentence, "\"caf\u00E9\" (U+00E9) and \"cafe\u0301\" (U+0065 U+0301)");
  EXPECT_HAS(unicode[0].sentence, "\"x\" (the end) and \"x\u200B\" (U+200B)");
  EXPECT_TRUE(diagnose_label_names(LabelSet::from_names({"x", "y"}), LabelKind::single_class).empty());
  EXPECT_EQ(names(diagnose_label_names(LabelSet::from_names({"O"}), LabelKind::token_class)),
            (std::vector<std::string>{"one_label"}));
}

TEST(Diagnostics, NameLabelsThatAreSeveral) {
  const auto sentences = [](const std::vector<std::string>& labels, LabelKind kind = LabelKind::multi_label) {
    std::vector<std::string> found;
    for (const Finding& finding : diagnose_label_names(LabelSet::from_names(labels), kind))
      if (finding.name == "labels_joined") found.push_back(finding.sentence);
    return found;
  };
  EXPECT_EQ(sentences({"a", "b", "a, b"}),
            (std::vector<std::string>{"\"a, b\" is one label, though its parts are labels, too; labels of a row stand "
                                      "between '|', as in \"a|b\""}));
  // Nowhere alone, but again and again.
  const std::vector<std::string> pairs = sentences({"news;sport", "sport;art", "art;news"});
  ASSERT_EQ(pairs.size(), 1U);
  EXPECT_HAS(pairs[0], "\"news;sport\", \"sport;art\", \"art;news\" are each one label, though their parts");
  EXPECT_EQ(sentences({"a", "a/b", "b"}).size(), 1U);
  // Names with commas of their own.
  EXPECT_TRUE(sentences({"a", "b", "wine, red", "wine, white"}).empty());
  EXPECT_TRUE(sentences({"a", "b", "a,", ", b", "a b"}).empty());
  EXPECT_TRUE(sentences({"a", "b", "a, b"}, LabelKind::single_class).empty());
}

TEST(Diagnostics, CompareLabelsOfSeveralColumns) {
  const Table table = parse_table(csv_rows, "text,x,y\na,0,1\na,0,1\nb,0,1\nb,1,1\n", "a.csv");
  EXPECT_EQ(names(diagnose_texts(notes_of(table, {"text", "", "", {"x", "y"}}))),
            (std::vector<std::string>{"duplicates", "conflicting_labels"}));
  EXPECT_EQ(names(diagnose_texts(notes_of(table, {"text"}))), (std::vector<std::string>{"duplicates"}));
}

TEST(Diagnostics, CountLabelsOfRowsThatHaveSeveral) {
  TokenRows rows;
  rows.target_width = 2;
  for (int row = 0; row < 30; ++row) rows.targets.insert(rows.targets.end(), {1.0F, row == 0 ? 1.0F : 0.0F});
  const std::vector<Finding> findings =
      diagnose_labels(TokenStore(rows), LabelSet::from_names({"x", "y"}), RareLabelAdvice::judge_labels);
  ASSERT_EQ(names(findings), (std::vector<std::string>{"class_imbalance"}));
  EXPECT_DOUBLE_EQ(findings[0].value, 30.0);
  EXPECT_EQ(findings[0].sentence.find("class weights"), std::string::npos) << "which this loss does not take";
}

TEST(Diagnostics, CountRowsAtTheLimitAndUnknownTokens) {
  const std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(testing_support::small_bert());
  const Table table = parse_table(csv_rows, "text,label\nthe cat sat,x\ncat,x\nqqq,x\n", "a.csv");
  const TokenRows rows =
      tokenize_rows(table, kColumns, *tokenizer, LabelSet::from_names({"x"}), {4, 1, LabelKind::single_class}, 0, 3);
  const std::vector<Finding> findings = diagnose_tokens(TokenStore(rows), *tokenizer, 4);
  ASSERT_EQ(names(findings), (std::vector<std::string>{"truncated", "unknown_tokens"}));
  EXPECT_DOUBLE_EQ(findings[0].value, 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(findings[1].value, 0.1);
}

}  // namespace
}  // namespace temper
