// Files and labels in the forms that they come in, from the command line to the exported model.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/system/tiny_run.h"
#include "tests/tiny_text_model.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class DataForms : public TinyRun {
 protected:
  /// Rows that `row` writes from a number.
  template <typename Row>
  void write_rows(const std::string& name, const std::string& head, int rows, Row row) const {
    std::string text = head;
    for (int i = 0; i < rows; ++i) text += row(i);
    write(name, text);
  }
  [[nodiscard]] Json exported_names(const std::string& output) const {
    return Json::parse(read(path(output) / "model" / "config.json")).at("id2label");
  }
  /// No validation and test files, which would have other columns.
  static std::vector<std::string> alone(std::vector<std::string> overrides) {
    overrides.insert(overrides.end(), {"data.validation=\"\"", "data.test=\"\"", "train.epochs=1"});
    return overrides;
  }
  static std::string text_of(int row) { return row % 2 == 0 ? "a good day" : "the bad road"; }
};

TEST_F(DataForms, SeveralFilesAreOneRun) {
  write_rows("data/one.csv", "text,label\n", 20, [](int i) { return text_of(i) + (i % 2 == 0 ? ",x\n" : ",y\n"); });
  write_rows("data/two.json", "[", 20, [](int i) {
    return std::string(i == 0 ? "" : ",\n") + R"({"label": ")" + (i % 2 == 0 ? "x" : "y") + R"(", "text": ")" +
           text_of(i) + "\"}" + (i == 19 ? "]" : "");
  });
  const std::vector<std::string> files = alone({"data.train=[\"data/one.csv\", \"data/tw*.json\"]"});
  const Outcome first = train("several", files, 2);
  ASSERT_EQ(first.status, 0) << first.err;
  const Json card = Json::parse(first.last_line());
  EXPECT_EQ(card.at("steps"), 2) << "40 rows in batches of 32";
  const std::string text = read(path("several") / "model" / "README.md");
  EXPECT_NE(text.find("| train | one.csv | 20 |"), std::string::npos) << text;
  EXPECT_NE(text.find("| train | two.json | 20 |"), std::string::npos) << text;
  EXPECT_EQ(train("several", files, 2).status, 0) << "the same files are the same run";
  const Outcome other = train("several", alone({"data.train=[\"data/two.json\", \"data/one.csv\"]"}), 2);
  EXPECT_EQ(other.status, 2);
  ASSERT_EQ(other.messages().size(), 1U) << other.err;
  EXPECT_NE(other.messages().front().find("the same files in another order"), std::string::npos) << other.err;
}

TEST_F(DataForms, OneColumnPerLabel) {
  write_rows("data/columns.csv", "rude,text,toxic,rude again,rude again\n", 32,
             [](int i) { return (i % 2 == 0 ? "1," : "0,") + text_of(i) + (i % 4 == 0 ? ",1,,\n" : ",0,,\n"); });
  const Outcome outcome = train(
      "columns", alone({"data.train=data/columns.csv", "data.label=[\"toxic\", \"rude\"]", "model.task=multi-label"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(exported_names("columns"), (Json{{"0", "toxic"}, {"1", "rude"}}));
}

TEST_F(DataForms, ListsAsPythonPrintsThem) {
  write_rows("data/words.csv", "text,label\n", 32, [](int i) {
    return i % 2 == 0 ? "\"['good', 'day']\",\"['B-X', 'O']\"\n" : "\"['a', 'bad', 'road']\",\"['O', -100, None]\"\n";
  });
  const Outcome outcome = train("words", alone({"data.train=data/words.csv", "model.task=token-classification"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(exported_names("words"), (Json{{"0", "B-X"}, {"1", "O"}}));
}

struct Refused {
  const char* name;
  std::string file;
  std::string content;
  std::vector<std::string> overrides;
  std::vector<std::string> says;
};

TEST_F(DataForms, WhatCannotBeTrainedOnIsRefusedBeforeTheFirstStep) {
  const std::string multi = "model.task=multi-label";
  const std::vector<Refused> all = {
      {"one_class", "a.csv", "text,label\na,x\nb,x\n", {}, {"all rows have the label \"x\"", "data.labels"}},
      {"no_label", "a.csv", "text,label\na,\nb,\n", {multi}, {"no row has a label in column \"label\""}},
      {"arrays",
       "a.jsonl",
       "{\"text\": \"a\", \"label\": [0, 1, 0]}\n",
       {multi},
       {"3 labels", "data.labels = [", "a|b"}},
      {"blank", "a.csv", "text,label\na,x\nb,  \n", {}, {"a.csv, line 3", "is empty"}},
      {"array",
       "a.jsonl",
       "[\n{\"text\": \"a\", \"label\": \"x\"}\n]\n",
       {},
       {"a.jsonl, line 1", "one object per line"}},
      {"semicolons", "a.csv", "text;label\na;x\n", {}, {"the semicolon, expected the comma"}},
      {"old_mac", "a.csv", "text,label\ra,x\rb,y\r", {}, {"carriage return (CR) alone"}},
      {"parquet", "a.parquet", "PAR1", {}, {"pandas.read_parquet"}},
      {"no_text",
       "a.jsonl",
       "{\"text\": \"a\", \"label\": \"x\"}\n{\"label\": \"y\"}\n",
       {},
       {"line 2", "no member \"text\""}},
      {"pattern", "a.csv", "text,label\na,x\nb,y\n", {"data.train=data/none-*.csv"}, {"no file fits this pattern"}},
  };
  for (const Refused& refused : all) {
    write("data/" + refused.file, refused.content);
    std::vector<std::string> overrides = alone({"data.train=data/" + refused.file});
    overrides.insert(overrides.end(), refused.overrides.begin(), refused.overrides.end());
    const Outcome outcome = train(refused.name, overrides);
    EXPECT_EQ(outcome.status, 1) << refused.name << outcome.err;
    ASSERT_EQ(outcome.messages().size(), 1U) << refused.name << outcome.err;
    for (const std::string& part : refused.says)
      EXPECT_NE(outcome.messages().front().find(part), std::string::npos) << refused.name << ": " << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path(refused.name) / "model")) << refused.name;
  }
}

TEST_F(DataForms, RowsThatCountForNothingAreToldAndAllOfThemRefused) {
  testing_support::write_text_model(path("causal"));
  write("ones.txt", "a\nb\nc\n");
  write("words.txt", "abc abc\na\n");
  write("special.csv", "text,label\n[SEP],x\n[SEP] [CLS],x\n");
  const std::vector<std::string> running{"model.path=\"causal\"",   "model.task=\"causal-lm\"", "data.test=\"\"",
                                         "data.end_token=\"none\"", "data.pack=\"none\"",       "data.shuffle=false",
                                         "train.batch_size=1",      "train.grains=1",           "train.epochs=1"};
  const auto with = [](std::vector<std::string> keys, const std::vector<std::string>& more) {
    keys.insert(keys.end(), more.begin(), more.end());
    return keys;
  };
  const auto expect_refused = [&](const std::vector<std::string>& keys, const std::string& sentence) {
    const Outcome outcome = train("refused", keys);
    EXPECT_EQ(outcome.status, 1) << sentence;
    EXPECT_NE(outcome.err.find(sentence), std::string::npos) << outcome.err;
  };
  expect_refused(with(running, {"data.train=\"ones.txt\"", "data.validation=\"\""}),
                 "ones.txt: none of the 3 training rows has a token that another one predicts");
  expect_refused(with(running, {"data.train=\"words.txt\"", "data.validation=\"ones.txt\""}),
                 "ones.txt: none of the 3 rows that are measured");
  expect_refused({"model.task=\"masked-lm\"", "data.train=\"special.csv\""},
                 "special.csv: none of the 2 training rows holds a token that could be masked");
  const Outcome trained = train("told", with(running, {"data.train=\"words.txt\"", "data.validation=\"words.txt\""}));
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.err.find("1 of 2 training rows is of one token"), std::string::npos) << trained.err;
  EXPECT_NE(trained.err.find("step 2 had nothing to learn from"), std::string::npos) << trained.err;
  Invocation invocation;
  invocation.folder = folder_;
  invocation.arguments = {"eval", "told/model", "ones.txt"};
  const Outcome measured = run(invocation);
  EXPECT_EQ(measured.status, 1);
  EXPECT_NE(measured.err.find("ones.txt: none of the 3 rows that are measured"), std::string::npos) << measured.err;
}

TEST_F(DataForms, InspectCountsTheTokensOfRunningText) {
  testing_support::write_text_model(path("causal"));
  std::filesystem::create_directory(path("texts"));
  write("texts/a.txt", "abc abc\na\nabc abc\n");
  write("texts/b.txt", "bca\n");
  Invocation invocation;
  invocation.folder = folder_;
  invocation.arguments = {"inspect", "texts", "--model", "causal", "--max-length", "8", "--json"};
  const Outcome outcome = run(invocation);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json json = Json::parse(outcome.last_line());
  EXPECT_EQ(json.at("kind"), "running text");
  EXPECT_EQ(json.at("documents"), 4);
  const std::int64_t ends = (json.at("tokens").get<std::int64_t>() - 18) / 4;  // 0 or 1: an end token
  EXPECT_EQ(json.at("tokens"), 18 + 4 * ends);
  EXPECT_EQ(json.at("longest_tokens"), 7 + ends);
  EXPECT_EQ(json.at("longer_than_a_row"), 0);
  EXPECT_EQ(json.at("duplicates"), 1);
  EXPECT_EQ(json.at("rows"), 3);
  EXPECT_NEAR(json.at("fill").get<double>(), json.at("tokens").get<double>() / 24.0, 1e-12);
  invocation.arguments = {"inspect", "texts"};
  EXPECT_NE(run(invocation).err.find("texts: is a folder of texts; name a model with --model"), std::string::npos);
  // What else is in the folder is told of and not read.
  write("texts/blank.txt", "\n \n");
  write("texts/train.csv", "text\nabc\n");
  write("texts/notes.md", "# notes\n");
  invocation.arguments = {"eval", "causal", "texts", "--max-length", "8", "--json"};
  const Outcome measured = run(invocation);
  ASSERT_EQ(measured.status, 0) << measured.err;
  EXPECT_EQ(Json::parse(measured.last_line()).at("rows"), 4);
  EXPECT_NE(measured.err.find("texts: 2 other files in the folder are not read"), std::string::npos) << measured.err;
  EXPECT_NE(measured.err.find("texts: 1 .txt file is blank and passed over"), std::string::npos) << measured.err;
  invocation.arguments = {"eval", "causal", "texts", "--max-length", "8", "--stride", "9"};
  EXPECT_NE(run(invocation).err.find("--stride is 9, more than the 8 tokens of a window (--max-length)"),
            std::string::npos);
  invocation.arguments = {"inspect", "texts", "--model", "causal", "--documents", "chapter"};
  const Outcome refused = run(invocation);
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("paragraph"), std::string::npos) << refused.err;
}

TEST_F(DataForms, InspectShowsLabelsInQuotesAndWhatTrainingWouldWarnOf) {
  write("data/alike.csv", "text,label\na, x\nb,x\na,y\n");
  Invocation invocation;
  invocation.folder = folder_;
  invocation.arguments = {"inspect", "data/alike.csv"};
  const Outcome text = run(invocation);
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("\" x\": 1"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("labels look alike"), std::string::npos) << text.out;
  invocation.arguments = {"inspect", "data/alike.csv", "--json"};
  const Json json = Json::parse(run(invocation).last_line());
  std::vector<std::string> findings;
  for (const Json& finding : json.at("findings")) findings.push_back(finding.at("name"));
  EXPECT_EQ(findings, (std::vector<std::string>{"duplicates", "conflicting_labels", "labels_alike"}));
  write("data/columns.csv", "text,toxic,rude\na,1,0\nb,1,1\n");
  invocation.arguments = {"inspect", "data/columns.csv", "--label", "toxic", "--label", "rude", "--json"};
  const Outcome columns = run(invocation);
  ASSERT_EQ(columns.status, 0) << columns.err;
  EXPECT_EQ(Json::parse(columns.last_line()).at("label_counts"), (Json{{"toxic", 2}, {"rude", 1}}));
}

}  // namespace
}  // namespace temper::system_tests
