// Lines of prediction from whole model folders, one format after the other.
#include "runtime/evaluation/prediction.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/data/temporary_folder.h"
#include "tests/runtime/evaluation/fitted_folder.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using testing_support::error_of;

class Prediction : public testing::Test {
 protected:
  std::vector<Json> predict(const TaskSpec& task, const std::vector<std::string>& labels, const Table& table) {
    FittedModel fitted(testing_support::write_fitted_folder(folder_.path(), task, labels), *device_);
    result_ = predict_lines(fitted, table, use_, options_, *device_, 0, static_cast<std::int64_t>(table.rows.size()));
    std::vector<Json> rows;
    std::istringstream lines(result_.lines);
    for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
    return rows;
  }

  static Table texts(const std::vector<std::string>& rows) {
    Table table{"texts.csv", {"text"}, {}, {}};
    for (const std::string& row : rows) {
      table.rows.push_back({row});
      table.lines.push_back(table.rows.size() + 1);
    }
    return table;
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Device> device_ = make_cpu_device();
  TableUse use_;
  PredictionOptions options_;
  PredictedLines result_;
};

TEST_F(Prediction, OfOneClassPerRow) {
  const std::vector<Json> rows =
      predict(task_named("sequence-classification"), {"bad", "good", "odd"}, texts({"a good road", "the bad table"}));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1]["text"], "the bad table");
  double sum = 0.0;
  for (const auto& [label, p] : rows[0]["probabilities"].items()) {
    sum += p.get<double>();
    EXPECT_LE(p, rows[0]["probability"]);
  }
  EXPECT_NEAR(sum, 1.0, 1e-5);
  EXPECT_EQ(rows[0]["probabilities"][rows[0]["label"].get<std::string>()], rows[0]["probability"]);
  EXPECT_NE(rows[0]["probabilities"], rows[1]["probabilities"]);
}

TEST_F(Prediction, OfSeveralLabels) {
  use_.threshold = 0.999;
  EXPECT_TRUE(predict(task_named("multi-label"), {"a", "b"}, texts({"good"}))[0]["labels"].empty());
  use_.threshold = 0.001;
  const Json row = predict(task_named("multi-label"), {"a", "b"}, texts({"good"}))[0];
  EXPECT_EQ(row["labels"], (Json{"a", "b"}));
  EXPECT_TRUE(row["probabilities"].contains("b"));
}

TEST_F(Prediction, OfANumber) {
  const std::vector<Json> rows = predict(task_named("regression"), {}, texts({"good road", "bad"}));
  EXPECT_TRUE(rows[0]["value"].is_number());
  EXPECT_NE(rows[0]["value"], rows[1]["value"]);
  EXPECT_FALSE(rows[0].contains("label"));
}

TEST_F(Prediction, OfSeveralNumbersNamesThem) {
  const Json row = predict(task_named("regression"), {"height", "width"}, texts({"good road"}))[0];
  EXPECT_FALSE(row.contains("value"));
  EXPECT_TRUE(row["values"]["height"].is_number());
  EXPECT_NE(row["values"]["height"], row["values"]["width"]);
}

TEST_F(Prediction, OfWordsReadsThemAsTrainingDoes) {
  const std::vector<Json> rows =
      predict(task_named("token-classification"), {"O", "B-T", "I-T"},
              texts({"good roadz, today", R"(["good", "roadz,", "today"])", R"(['good', 'roadz,', 'today'])"}));
  for (std::size_t row = 0; row < 3; ++row) {
    ASSERT_EQ(rows[row]["words"].size(), 3U) << rows[row].dump();
    EXPECT_EQ(rows[row]["words"][1]["word"], "roadz,");
    // road ##z ,
    EXPECT_EQ(rows[row]["tokens"].size(), 5U) << rows[row]["tokens"].dump();
    EXPECT_EQ(rows[row]["tokens"][1]["label"], rows[row]["words"][1]["label"]) << "the first token decides";
    EXPECT_EQ(rows[row]["words"][2]["label"], rows[0]["words"][2]["label"]);
    EXPECT_EQ(rows[row]["words"][2]["probability"], rows[0]["words"][2]["probability"]);
  }
  EXPECT_EQ(rows[0]["words"][2]["start"], 12);
  EXPECT_EQ(rows[1]["words"][2]["start"], 2);
  EXPECT_EQ(result_.cut_words, 0);
  options_.tokens = false;
  EXPECT_FALSE(predict(task_named("token-classification"), {"O", "T"}, texts({"good"}))[0].contains("tokens"));
}

TEST_F(Prediction, OfWordsBeyondTheLargestLengthHaveNoLabel) {
  use_.max_length = 4;
  const std::vector<Json> rows = predict(task_named("token-classification"), {"O", "T"},
                                         texts({"good bad road table", "", "good", "a good one today"}));
  EXPECT_TRUE(rows[0]["words"][1]["label"].is_string());
  EXPECT_TRUE(rows[0]["words"][2]["label"].is_null());
  EXPECT_TRUE(rows[1]["words"].empty());
  EXPECT_EQ(result_.cut_rows, 2);
  EXPECT_EQ(result_.cut_words, 4);
}

TEST_F(Prediction, OfMasksGivesCandidates) {
  const Json row = predict(task_named("masked-lm"), {}, texts({"a [MASK] road is [MASK]"}))[0];
  ASSERT_EQ(row["masks"].size(), 2U);
  ASSERT_EQ(row["masks"][0].size(), 5U);
  EXPECT_GE(row["masks"][0][0]["probability"], row["masks"][0][1]["probability"]);
  EXPECT_TRUE(row["masks"][0][0]["token"].is_string());
  options_.top = 2;
  EXPECT_EQ(predict(task_named("masked-lm"), {}, texts({"a [MASK]"}))[0]["masks"][0].size(), 2U);
  EXPECT_TRUE(predict(task_named("masked-lm"), {}, texts({"a road"}))[0]["masks"].empty());
}

TEST_F(Prediction, OtherColumnsGoAlong) {
  const Table table{"t.csv", {"id", "text", "label", "note"}, {{"7", "good", "bad", "x"}}, {2}};
  options_.kept_columns = {"id", "label"};
  const Json row = predict(task_named("sequence-classification"), {"bad", "good"}, table)[0];
  EXPECT_EQ(row["id"], "7");
  EXPECT_EQ(row["input_label"], "bad");
  EXPECT_TRUE(row["label"].is_string());
  EXPECT_FALSE(row.contains("note"));
  options_.kept_columns.clear();
  options_.all_columns = true;
  const Json all = predict(task_named("sequence-classification"), {"bad", "good"}, table)[0];
  EXPECT_EQ(all["note"], "x");
  EXPECT_EQ(all["id"], "7");
  EXPECT_EQ(all["text"], "good");
  EXPECT_EQ(all.size(), 7U) << all.dump();
  options_.kept_columns = {"nte"};
  EXPECT_HAS(error_of([&] { predict(task_named("sequence-classification"), {"bad", "good"}, table); }), "\"note\"");
  options_.kept_columns = {"label", "input_label"};
  const Table twice{"t.csv", {"text", "label", "input_label"}, {{"good", "bad", "x"}}, {2}};
  EXPECT_HAS(error_of([&] {
               predict(task_named("sequence-classification"), {"bad", "good"}, twice);
             }),
             "\"input_label\"");
}

}  // namespace
}  // namespace temper
