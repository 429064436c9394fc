#include "runtime/evaluation/fitted_model.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "tests/data/temporary_folder.h"
#include "tests/runtime/evaluation/fitted_folder.h"
#include "tests/world.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using testing_support::error_of;
using testing_support::write_fitted_folder;

class FittedModelOf : public testing::Test {
 protected:
  std::filesystem::path write(const TaskSpec& task, const std::vector<std::string>& labels,
                              const TrainedUse& use = {}) {
    return write_fitted_folder(folder_.path(), task, labels, use);
  }

  Metrics measure(const std::filesystem::path& model, const Table& table, const TableUse& use) {
    FittedModel fitted(model, *device_);
    const auto metrics = fitted.evaluate_table(
        HeldTable(table), use, 2, 1, world_communicator(), [] { return false; }, [](const std::string&) {});
    EXPECT_TRUE(metrics.has_value());
    return metrics.value_or(Metrics{});
  }

  void edit_config(const std::filesystem::path& model, const std::function<void(Json&)>& edit) {
    Json config = Json::parse(read_text_file(model / "config.json"));
    edit(config);
    write_file_atomically(model / "config.json", config.dump());
  }

  std::string task_with(const std::vector<std::string>& labels, const std::function<void(Json&)>& edit) {
    const std::filesystem::path model = write(task_named("sequence-classification"), labels);
    edit_config(model, edit);
    return std::string(FittedModel(model, *device_).task().name);
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(FittedModelOf, AnExportKnowsItsTaskItsLabelsAndItsTraining) {
  TrainedUse use;
  use.text = "review";
  use.max_length = 24;
  for (const auto& [task, labels] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{{"sequence-classification", {"no", "yes"}},
                                                                     {"multi-label", {"a", "b", "c"}},
                                                                     {"token-classification", {"O", "B-X"}},
                                                                     {"regression", {}},
                                                                     {"masked-lm", {}}}) {
    const FittedModel fitted(write(task_named(task), labels, use), *device_);
    EXPECT_EQ(fitted.task().name, task);
    EXPECT_EQ(fitted.labels().names(), labels) << task;
    ASSERT_TRUE(fitted.trained().has_value());
    EXPECT_EQ(*fitted.trained(), use);
  }
}

TEST_F(FittedModelOf, AFolderFromElsewhereHasNoTraining) {
  const std::filesystem::path model = write(task_named("sequence-classification"), {"no", "yes"});
  std::filesystem::remove(model / "temper.json");
  EXPECT_FALSE(FittedModel(model, *device_).trained().has_value());
}

// transformers takes one label for a regression (BertForSequenceClassification.forward).
TEST_F(FittedModelOf, AHeadOfOneOutputGivesANumber) {
  const std::vector<std::string> one{"LABEL_0"};
  EXPECT_EQ(task_with(one, [](Json& config) { config.erase("problem_type"); }), "regression");
  EXPECT_EQ(task_with(one,
                      [](Json& config) {
                        config.erase("id2label");
                        config.erase("label2id");
                        config["num_labels"] = 1;
                      }),
            "regression");
  EXPECT_EQ(task_with(one, [](Json& config) { config["problem_type"] = "single_label_classification"; }), "regression");
  EXPECT_EQ(task_with(one, [](Json& config) { config["problem_type"] = "multi_label_classification"; }), "multi-label");
  EXPECT_EQ(task_with({"LABEL_0", "LABEL_1"},
                      [](Json& config) {
                        for (const char* key : {"id2label", "label2id", "problem_type"}) config.erase(key);
                      }),
            "sequence-classification");
}

TEST_F(FittedModelOf, SeveralNumbersPerRowAreMeasuredTogether) {
  const std::filesystem::path model = write(task_named("regression"), {"height", "width"});
  const Table table{"sizes.csv", {"text", "label"}, {{"good road", "[1.5, 2]"}, {"a bad table", "[0, 0.5]"}}, {2, 3}};
  TableUse use;
  use.label = {"label"};
  const Metrics metrics = measure(model, table, use);
  EXPECT_GT(metrics.value("mean_squared_error"), 0.0);
  EXPECT_NEAR(metrics.value("loss"), metrics.value("mean_squared_error"), 1e-5);
}

TEST_F(FittedModelOf, OneClassIsExportedAsTransformersTakesIt) {
  const Json config =
      Json::parse(read_text_file(write(task_named("sequence-classification"), {"all"}) / "config.json"));
  EXPECT_FALSE(config.contains("problem_type")) << "single_label_classification is refused with one label";
  EXPECT_EQ(config["id2label"]["0"], "all");
}

TEST_F(FittedModelOf, EntitiesAreMeasuredOnWords) {
  const std::filesystem::path model = write(task_named("token-classification"), {"O", "B-T", "I-T"});
  const Table table{"words.csv",
                    {"text", "label"},
                    {{"good bad road", "O B-T I-T"}, {"table", "O"}, {"a good one", "B-T O O"}},
                    {2, 3, 4}};
  TableUse use;
  use.label = {"label"};
  const Metrics metrics = measure(model, table, use);
  EXPECT_EQ(metrics.values[1].first, "entity_f1");
  std::int64_t words = 0;
  for (const auto& row : metrics.confusion)
    for (const std::int64_t count : row) words += count;
  EXPECT_EQ(words, 7) << "each word once";
  ASSERT_EQ(metrics.entities.size(), 1U);
  EXPECT_EQ(metrics.entities[0].support, 2);
  const Table none{"words.csv", {"text", "label"}, {{"good bad", "0 0"}}, {2}};
  const std::filesystem::path plain = write(task_named("token-classification"), {"noun", "verb"});
  EXPECT_TRUE(measure(plain, none, use).entities.empty());
}

TEST_F(FittedModelOf, TheSeedOfMaskingDecidesWhatAnEvaluationMasks) {
  const std::filesystem::path model = write(task_named("masked-lm"), {});
  Table table{"texts.csv", {"text"}, {}, {}};
  for (int row = 0; row < 8; ++row) {
    table.rows.push_back({"the good road was a very bad table today and then a nice window"});
    table.lines.push_back(static_cast<std::size_t>(row) + 2);
  }
  TableUse use;
  use.masking_seed = 1;
  const double one = measure(model, table, use).value("loss");
  EXPECT_EQ(measure(model, table, use).value("loss"), one);
  use.masking_seed = 2;
  EXPECT_NE(measure(model, table, use).value("loss"), one);
}

TEST_F(FittedModelOf, TheThresholdDecidesWhichLabelsArePredicted) {
  const std::filesystem::path model = write(task_named("multi-label"), {"a", "b"});
  const Table table{"tags.csv", {"text", "label"}, {{"good", "a"}, {"bad", "a|b"}}, {2, 3}};
  TableUse use;
  use.label = {"label"};
  use.threshold = 0.001;
  EXPECT_EQ(measure(model, table, use).value("micro_recall"), 1.0);
  EXPECT_EQ(measure(model, table, use).value("micro_precision"), 0.75);
  use.threshold = 0.999;
  EXPECT_EQ(measure(model, table, use).value("micro_recall"), 0.0);
}

TEST_F(FittedModelOf, WhatIsNoFittedModelIsRefusedWithTheWay) {
  const auto refusal = [&](const std::filesystem::path& path) {
    return error_of([&] { const FittedModel fitted(path, *device_); });
  };
  write(task_named("sequence-classification"), {"no", "yes"});
  EXPECT_HAS(refusal(folder_.path() / "base"), "no head for a task");

  const std::filesystem::path run = folder_.path() / "run";
  std::filesystem::create_directories(run / "checkpoints");
  static_cast<void>(folder_.file("run/checkpoints/checkpoint-00000007.h5", "x"));
  static_cast<void>(folder_.file("run/checkpoints/checkpoint-00000014.h5", "x"));
  const std::string newest = (run / "checkpoints/checkpoint-00000014.h5").string();
  EXPECT_HAS(refusal(newest), "is a checkpoint, expected a model folder; write one with 'temper export " + newest);
  EXPECT_HAS(refusal(run), "holds checkpoints, expected a model folder; write one with 'temper export " + newest);
  EXPECT_HAS(refusal(run / "checkpoints"), "temper export " + newest);
  std::filesystem::copy(folder_.path() / "fitted", run / "model");
  EXPECT_HAS(refusal(run),
             "is the folder of a run, expected a model folder; the run's model is " + (run / "model").string());
  static_cast<void>(folder_.file("run/model/temper.json", "{"));
  EXPECT_HAS(refusal(run / "model"), "temper.json: is not JSON");
}

TEST_F(FittedModelOf, AKeptHeadWithOtherNamesIsSaid) {
  EXPECT_HAS(kept_head_note({}, {"pos", "Neg"}, {"neg", "pos"}),
             R"(the stored head is kept, though the model calls its labels "pos", "Neg" and the data "neg", "pos": )"
             R"(output 0, "pos", becomes "neg")");
  EXPECT_HAS(kept_head_note({}, {"a", "b", "c"}, {"a", "B", "c"}), R"(output 1, "b", becomes "B")");
  EXPECT_HAS(kept_head_note({}, {"LABEL_0", "LABEL_1"}, {"neg", "pos"}), R"("LABEL_0", becomes "neg")");
  EXPECT_EQ(kept_head_note({}, {"neg", "pos"}, {"neg", "pos"}), "");
  EXPECT_EQ(kept_head_note({}, {}, {"neg", "pos"}), "");
  LoadReport fresh;
  fresh.initialized = {"classifier.weight"};
  EXPECT_EQ(kept_head_note(fresh, {"pos", "neg"}, {"neg", "pos"}), "");
}

}  // namespace
}  // namespace temper
