#include <gtest/gtest.h>

#include "data/tables/csv_reader.h"
#include "data/tables/jsonl_reader.h"
#include "data/text/row_tokenization.h"
#include "data/token_store.h"
#include "tests/data/read_table.h"
#include "tests/data/temporary_folder.h"
#include "tests/data/tokenizer/tokenizer_json.h"
#include "tests/shared_data.h"

namespace temper {
namespace {

using testing_support::collect_labels;
using testing_support::error_of;
using testing_support::read_table;
using Ints = std::vector<std::int32_t>;

constexpr std::int32_t kNo = kUnlabelled;

const Tokenizer& bert() {
  static const std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(testing_support::small_bert());
  return *tokenizer;
}

TokenRows tokenize(const Table& table, const LabelSet& labels, LabelKind kind, std::size_t max_length = 16,
                   const ColumnChoice& columns = {"text", "", "label"}, const Tokenizer& tokenizer = bert()) {
  return tokenize_rows(table, columns, tokenizer, labels, {max_length, 1, kind}, 0,
                       static_cast<std::int64_t>(table.rows.size()));
}

TokenRows tokenize(std::string_view csv, const LabelSet& labels, LabelKind kind, std::size_t max_length = 16) {
  return tokenize(parse_table(csv_rows, csv, "a.csv"), labels, kind, max_length);
}

std::string tokenize_error(std::string_view csv, const std::vector<std::string>& labels, LabelKind kind) {
  return error_of([&] { tokenize(csv, LabelSet::from_names(labels), kind); });
}

TEST(TokenizeRows, GivesIdsAndClasses) {
  const TokenRows rows =
      tokenize("text,label\nthe cat sat,y\ncafe,x\n", LabelSet::from_names({"x", "y"}), LabelKind::single_class);
  EXPECT_EQ(rows.ids, (Ints{2, 5, 6, 7, 3, 2, 22, 3}));
  EXPECT_EQ(rows.types, Ints(8, 0));
  EXPECT_EQ(rows.starts, (std::vector<std::int64_t>{0, 5, 8}));
  EXPECT_EQ(rows.classes, (Ints{1, 0}));
  EXPECT_TRUE(rows.targets.empty());
}

TEST(TokenizeRows, TheNextTokenOfTheRowIsATokensClass) {
  const TokenRows rows = tokenize("text\nthe cat sat\ncafe\n", {}, LabelKind::next_token);
  EXPECT_EQ(rows.ids, (Ints{2, 5, 6, 7, 3, 2, 22, 3}));
  EXPECT_TRUE(rows.classes.empty()) << "the store knows them from the tokens";
  TokenStore store{rows};
  store.label_with_next_tokens();
  const std::vector<std::int64_t> all{0, 1};
  EXPECT_EQ(store.read(all, 0).classes, (Ints{5, 6, 7, 3, kNo, 22, 3, kNo}));
  EXPECT_EQ(tokenize("text\nthe cat sat\n", {}, LabelKind::next_token, 4).ids, (Ints{2, 5, 6, 3}))
      << "of what is left of a row that was cut";
}

TEST(TokenizeRows, CutsLongRows) {
  const TokenRows rows =
      tokenize("text,label\nthe cat sat,x\n", LabelSet::from_names({"x"}), LabelKind::single_class, 4);
  EXPECT_EQ(rows.ids, (Ints{2, 5, 6, 3}));
}

TEST(TokenizeRows, TakesPairsOfTexts) {
  const Table table = parse_table(csv_rows, "text,other,label\nthe cat,cat,x\n", "a.csv");
  const TokenRows rows =
      tokenize(table, LabelSet::from_names({"x"}), LabelKind::single_class, 16, {"text", "other", "label"});
  EXPECT_EQ(rows.ids, (Ints{2, 5, 6, 3, 6, 3}));
  EXPECT_EQ(rows.types, (Ints{0, 0, 0, 0, 1, 1}));
}

TEST(TokenizeRows, WithoutALabelColumnRowsHaveNoLabels) {
  const Table table = parse_table(csv_rows, "text\nthe cat\n", "a.csv");
  for (const LabelKind kind : {LabelKind::single_class, LabelKind::multi_label, LabelKind::regression,
                               LabelKind::token_class, LabelKind::none}) {
    const TokenRows rows = tokenize(table, LabelSet::from_names({"x", "y"}), kind, 16, {"text", "", ""});
    EXPECT_EQ(rows.ids, (Ints{2, 5, 6, 3}));
    EXPECT_TRUE(rows.classes.empty());
    EXPECT_TRUE(rows.targets.empty());
    EXPECT_EQ(rows.target_width, 0);
  }
}

TEST(TokenizeRows, SeveralLabelsBecomeZerosAndOnes) {
  const TokenRows rows = tokenize("text,label\na,z|x\na,\na,\"[\"\"y\"\"]\"\n", LabelSet::from_names({"x", "y", "z"}),
                                  LabelKind::multi_label);
  EXPECT_EQ(rows.target_width, 3);
  EXPECT_EQ(rows.targets, (std::vector<float>{1, 0, 1, 0, 0, 0, 0, 1, 0}));
}

TEST(TokenizeRows, RegressionHasOneNumberOrOneANamedTarget) {
  EXPECT_EQ(tokenize("text,label\na,0.5\na,-2\n", {}, LabelKind::regression).targets, (std::vector<float>{0.5F, -2}));
  const Table table = parse_table(jsonl_rows, "{\"text\": \"a\", \"label\": [0.5, 3]}\n", "a.jsonl");
  const TokenRows rows = tokenize(table, LabelSet::from_names({"width", "height"}), LabelKind::regression);
  EXPECT_EQ(rows.target_width, 2);
  EXPECT_EQ(rows.targets, (std::vector<float>{0.5F, 3}));
}

TEST(TokenizeRows, FirstTokenOfAWordHasItsClass) {
  // "cats" and "unable" have two tokens.
  const TokenRows rows =
      tokenize("text,label\nthe cats unable,O A B\n", LabelSet::from_names({"A", "B", "O"}), LabelKind::token_class);
  EXPECT_EQ(rows.ids, (Ints{2, 5, 6, 8, 10, 12, 3}));
  EXPECT_EQ(rows.classes, (Ints{kNo, 2, 0, kNo, 1, kNo, kNo}));
}

TEST(TokenizeRows, WordsAreCutWithTheirClasses) {
  const TokenRows rows =
      tokenize("text,label\nthe cats unable,O A B\n", LabelSet::from_names({"A", "B", "O"}), LabelKind::token_class, 6);
  EXPECT_EQ(rows.ids, (Ints{2, 5, 6, 8, 10, 3}));
  EXPECT_EQ(rows.classes, (Ints{kNo, 2, 0, kNo, 1, kNo}));
}

TEST(TokenizeRows, WordsOfAByteLevelTokenizerAreThoseOfTheText) {
  const std::unique_ptr<Tokenizer> roberta = testing_support::tokenizer_of(testing_support::small_roberta());
  const Table table =
      parse_table(jsonl_rows, "{\"text\": [\"abab\", \"the\", \"the\"], \"label\": [0, 1, 0]}\n", "a.jsonl");
  const TokenRows rows =
      tokenize(table, LabelSet::from_names({"0", "1"}), LabelKind::token_class, 16, {"text", "", "label"}, *roberta);
  EXPECT_EQ(rows.ids, roberta->encode("abab the the", 16).ids);
  EXPECT_EQ(rows.classes, (Ints{kNo, 0, 1, 0, kNo}));
}

TEST(TokenizeRows, WordsWithoutALabelAreNotCounted) {
  for (const char* field :
       {"O -100 A", "\"['O', None, 'A']\"", "\"[\"\"O\"\", null, \"\"A\"\"]\"", "\"['O', -100, 'A']\""})
    EXPECT_EQ(tokenize("text,label\nthe cat sat," + std::string(field) + "\n", LabelSet::from_names({"A", "O"}),
                       LabelKind::token_class)
                  .classes,
              (Ints{kNo, 1, kNo, 0, kNo}))
        << field;
}

TEST(TokenizeRows, ArraysOfZerosAndOnesAreIndicatorsOfLabels) {
  for (const char* rows :
       {"\"[0, 1, 1]\"\nb,\"[0, 0, 0]\"", "[0 1 1]\nb,[0 0 0]", "\"[0.0, 1.0, 1.0]\"\nb,\"[0, 0, 0]\"",
        "\"[false, true, true]\"\nb,\"(False, False, False)\""})
    EXPECT_EQ(tokenize("text,label\na," + std::string(rows) + "\n", LabelSet::from_names({"z", "y", "x"}),
                       LabelKind::multi_label)
                  .targets,
              (std::vector<float>{0, 1, 1, 0, 0, 0}))
        << rows;
  EXPECT_EQ(tokenize("text,label\na,\"[0, 1, 0]\"\nb,\"[0, 0, 1]\"\n", LabelSet::from_names({"z", "y", "x"}),
                     LabelKind::single_class)
                .classes,
            (Ints{1, 2}));
  EXPECT_HAS(tokenize_error("text,label\na,\"[0, 1, 1]\"\n", {"x", "y"}, LabelKind::multi_label),
             "a.csv: column \"label\" holds 0 or 1 for each of 3 labels, but 2 labels are known: \"x\", \"y\"");
  EXPECT_HAS(tokenize_error("text,label\na,\"[0, 1, 1]\"\n", {"x", "y", "z"}, LabelKind::single_class),
             "a.csv, line 2: 2 of the labels in column \"label\" are 1, expected exactly one");
}

TEST(TokenizeRows, OneColumnPerLabelGivesZerosAndOnes) {
  const ColumnChoice columns{"text", "", "", {"toxic", "rude"}};
  const Table table = parse_table(csv_rows, "rude,text,toxic\n1,a,0\n0,b,1.0\nTrue,c,true\n", "a.csv");
  EXPECT_EQ(tokenize(table, LabelSet::from_names({"toxic", "rude"}), LabelKind::multi_label, 16, columns).targets,
            (std::vector<float>{0, 1, 1, 0, 1, 1}));
  EXPECT_EQ(tokenize(table, LabelSet::from_names({"rude", "toxic"}), LabelKind::multi_label, 16, columns).targets,
            (std::vector<float>{1, 0, 0, 1, 1, 1}))
      << "by name";
  EXPECT_EQ(tokenize(table, LabelSet::from_names({"A", "B"}), LabelKind::multi_label, 16, columns).targets,
            (std::vector<float>{0, 1, 1, 0, 1, 1}))
      << "by place, where the names are others";
  const auto refused = [&](const char* csv, LabelKind kind) {
    return error_of([&] {
      tokenize(parse_table(csv_rows, csv, "a.csv"), LabelSet::from_names({"toxic", "rude"}), kind, 16, columns);
    });
  };
  EXPECT_EQ(refused("rude,text,toxic\n1,a,0\n,a,1\n", LabelKind::multi_label),
            "a.csv, line 3: found \"\" in column \"rude\", expected 0 or 1");
  EXPECT_HAS(refused("rude,text,toxic\n-1,a,-1\n", LabelKind::multi_label), "found \"-1\" in column \"toxic\"");
  EXPECT_HAS(refused("rude,text,toxic\n1,a,1\n", LabelKind::single_class),
             "2 of the labels in columns \"toxic\", \"rude\"");
}

TEST(TokenizeRows, PlacesNameTheFileOfSeveral) {
  const testing_support::TemporaryFolder folder;
  const std::vector<std::filesystem::path> paths = {folder.file("one.csv", "text,label\na,x\n"),
                                                    folder.file("two.csv", "text,label\na,x\n\na,q\n")};
  const Table table = testing_support::read_tables(paths);
  EXPECT_HAS(error_of([&] {
               tokenize(table, LabelSet::from_names({"x", "y"}), LabelKind::single_class);
             }),
             "two.csv, line 4: unknown label \"q\"");
}

TEST(TokenizeRows, AChunkIsReadAsAllRowsAre) {
  // By the first row alone these would be names; by both they are indicators.
  const Table table = parse_table(csv_rows, "text,label\na,\"[0, 1]\"\nb,\"[1, 1]\"\n", "a.csv");
  LabelReader reader(table, {"text", "", "label"}, LabelKind::multi_label);
  reader.look_at(table);
  const LabelSet labels = LabelSet::from_names({"x", "y"});
  const TokenizeOptions options{16, 1, LabelKind::multi_label};
  Table chunk = without_rows(table);
  chunk.rows = {table.rows[0]};
  chunk.lines = {2};
  const TokenRows rows = tokenize_rows(chunk, {"text", "", "label"}, bert(), labels, options, 0, 1, &reader);
  EXPECT_EQ(rows.targets, (std::vector<float>{0, 1}));
}

TEST(TokenizeRows, PartsOfAnyCutAndAnyThreadsAreTheSame) {
  std::string csv = "text,label\n";
  const std::vector<std::string> words = {"the", "cats", "unbelievable", "2020", "don't", "a."};
  for (std::size_t row = 0; row < 1000; ++row) {
    for (std::size_t i = 0; i <= row % 7; ++i) csv += words[(row * 31 + i * i) % words.size()] + " ";
    csv += row % 3 == 0 ? ",x\n" : ",y\n";
  }
  const Table table = parse_table(csv_rows, csv, "a.csv");
  const LabelSet labels = LabelSet::from_names({"x", "y"});
  const auto part = [&](int threads, std::int64_t begin, std::int64_t end) {
    return tokenize_rows(table, {"text", "", "label"}, bert(), labels, {16, threads, LabelKind::single_class}, begin,
                         end);
  };
  const TokenRows whole = part(1, 0, 1000);
  EXPECT_EQ(whole.rows(), 1000);
  EXPECT_EQ(part(4, 0, 1000), whole);
  const std::vector<TokenRows> parts = {part(2, 0, 3), part(3, 3, 3), part(1, 3, 700), part(5, 700, 1000)};
  EXPECT_EQ(concatenate(parts), whole);
}

TEST(TokenizeRows, TheFirstWrongRowIsNamedWhateverTheThreads) {
  std::string csv = "text,label\n";
  for (int row = 0; row < 2000; ++row) csv += row == 700 || row > 900 ? "a,wrong\n" : "a,x\n";
  const Table table = parse_table(csv_rows, csv, "a.csv");
  for (const int threads : {1, 4})
    EXPECT_HAS(error_of([&] {
                 tokenize_rows(table, {"text", "", "label"}, bert(), LabelSet::from_names({"x"}),
                               {16, threads, LabelKind::single_class}, 0, 2000);
               }),
               "a.csv, line 702: unknown label \"wrong\"");
}

TEST(TokenizeRows, RefusesAnUnknownLabel) {
  EXPECT_EQ(tokenize_error("text,label\na,good\na,goood\n", {"bad", "good"}, LabelKind::single_class),
            "a.csv, line 3: unknown label \"goood\" in column \"label\", did you mean \"good\"?; known labels are "
            "\"bad\", \"good\"");
  EXPECT_HAS(tokenize_error("text,label\na,x|q\n", {"x"}, LabelKind::multi_label), "unknown label \"q\"");
  EXPECT_HAS(tokenize_error("text,label\na,q\n", {"x"}, LabelKind::token_class), "unknown label \"q\"");
  EXPECT_HAS(tokenize_error("text,label\na,\n", {"x"}, LabelKind::single_class), "a.csv, line 2: the label in column");
  EXPECT_HAS(tokenize_error("text,label\na,-1\n", {"x", "y"}, LabelKind::single_class), "where -1 stands for no label");
}

TEST(TokenizeRows, ShowsOnlyTheBeginningOfALongLabel) {
  const std::string message =
      tokenize_error("text,label\na," + std::string(5000, 'q') + "\n", {"x"}, LabelKind::single_class);
  EXPECT_LT(message.size(), 300U);
}

TEST(TokenizeRows, RefusesWhatIsNoFiniteNumber) {
  for (const char* text : {"", "x", "nan", "inf", "1e39"})
    EXPECT_EQ(tokenize_error("text,label\na,1\na," + std::string(text) + "\n", {}, LabelKind::regression),
              "a.csv, line 3: found \"" + std::string(text) + "\" in column \"label\", expected a finite number");
  EXPECT_HAS(tokenize_error("text,label\na,1|2|3\n", {"v", "w"}, LabelKind::regression), "holds 3 numbers, expected 2");
}

TEST(TokenizeRows, RefusesMoreOrFewerLabelsThanWords) {
  EXPECT_EQ(tokenize_error("text,label\nthe cat,O\n", {"O"}, LabelKind::token_class),
            "a.csv, line 2: 2 words in column \"text\" but 1 label in column \"label\", expected one label per word");
}

TEST(TokenizeRows, RefusesMissingColumnsAndRows) {
  EXPECT_HAS(tokenize_error("txt,label\na,x\n", {"x"}, LabelKind::single_class),
             "a.csv: has no column \"text\", did you mean \"txt\"?");
  const Table table = parse_table(csv_rows, "text\na\n", "a.csv");
  EXPECT_HAS(error_of([&] {
               tokenize_rows(table, {"text", "", ""}, bert(), {}, {16, 1, LabelKind::none}, 0, 2);
             }),
             "rows 0 to 2 were asked for, the table has 1");
}

TEST(TokenizeRows, RefusesTextThatIsNotUtf8WithItsLine) {
  const Table table{"standard input", {"text"}, {{"a"}, {"b\xFF"}}, {1, 2}};
  EXPECT_HAS(error_of([&] { tokenize(table, {}, LabelKind::none, 16, {"text", "", ""}); }), "standard input, line 2: ");
}

TEST(TokenizeRows, RefusesARowWithoutTokens) {
  nlohmann::json bare = testing_support::small_bert();
  bare["post_processor"] = nullptr;
  const std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(bare);
  const Table table = parse_table(csv_rows, "text,label\n\"\",x\n", "a.csv");
  EXPECT_EQ(
      error_of([&] {
        tokenize(table, LabelSet::from_names({"x"}), LabelKind::single_class, 16, {"text", "", "label"}, *tokenizer);
      }),
      "a.csv, line 2: the text in column \"text\" has no tokens; take the row out");
}

TEST(TokenizeRows, TokenizesRealDataWithItsLabels) {
  TEMPER_REQUIRE_SHARED(path, "data/clinc150/train.csv");
  const Table table = read_table(path);
  const LabelSet labels = collect_labels(table, {"text", "", "label"}, LabelKind::single_class);
  EXPECT_EQ(labels.size(), 150U);
  const TokenRows rows =
      tokenize_rows(table, {"text", "", "label"}, bert(), labels, {64, 2, LabelKind::single_class}, 0, 15000);
  EXPECT_EQ(rows.rows(), 15000);
  EXPECT_EQ(labels.name(rows.classes.front()), "translate");
}

}  // namespace
}  // namespace temper
