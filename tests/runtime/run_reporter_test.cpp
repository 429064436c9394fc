#include "runtime/run_reporter.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/mapped_file.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using Json = nlohmann::json;

class Reporter : public testing::Test {
 protected:
  ~Reporter() override {
    if (stream_ != nullptr) std::fclose(stream_);
  }

  RunReporter reporter(bool speaks) {
    OutputSection output;
    output.log_every = 5;
    output.tensorboard = tensorboard_;
    return {output, speaks, stream_, /*terminal=*/false, 80};
  }

  std::string said() {
    std::fflush(stream_);
    std::rewind(stream_);
    std::string text;
    for (int c = std::fgetc(stream_); c != EOF; c = std::fgetc(stream_)) text += static_cast<char>(c);
    return text;
  }

  std::vector<Json> events() {
    std::vector<Json> found;
    std::istringstream lines(read_text_file(folder_.path() / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) found.push_back(Json::parse(line));
    return found;
  }

  static ProgressLine line(std::int64_t step) {
    ProgressLine line;
    line.step = step;
    line.total_steps = 12;
    line.epoch = static_cast<double>(step) / 6.0;
    line.loss = 2.0 / static_cast<double>(step);
    line.learning_rate = 1e-3;
    return line;
  }

  testing_support::TemporaryFolder folder_;
  std::FILE* stream_ = std::tmpfile();
  bool tensorboard_ = false;
};

TEST_F(Reporter, LogsTheFirstStepEveryFewAndTheLast) {
  RunReporter report = reporter(true);
  report.open_logs(folder_.path(), std::nullopt);
  for (std::int64_t step = 1; step <= 12; ++step) report.step(line(step));
  std::vector<std::int64_t> steps;
  for (const Json& event : events()) {
    EXPECT_EQ(event["kind"], "train");
    EXPECT_DOUBLE_EQ(event["loss"], 2.0 / event["step"].get<double>());
    steps.push_back(event["step"]);
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 5, 10, 12}));
}

TEST_F(Reporter, LogsWhatHappensBetweenSteps) {
  RunReporter report = reporter(true);
  report.open_logs(folder_.path(), std::nullopt);
  report.evaluation(6, 1.0, {{{"loss", 0.5}, {"accuracy", 0.75}}, {}, {}}, true);
  report.saved(6, "run/checkpoints/checkpoint-00000006.h5");
  report.test(12, {{{"loss", 0.25}}, {}, {}});
  report.test(12, {});
  const std::vector<Json> found = events();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0]["kind"], "evaluation");
  EXPECT_EQ(found[0]["accuracy"], 0.75);
  EXPECT_EQ(found[0]["best"], 1.0);
  EXPECT_EQ(found[1]["kind"], "checkpoint");
  EXPECT_EQ(found[2]["kind"], "test");
  const std::string text = said();
  EXPECT_HAS(text, "accuracy 0.7500");
  EXPECT_HAS(text, "saved run/checkpoints/checkpoint-00000006.h5");
}

TEST_F(Reporter, GoesOnWithTheLogOfAResumedRun) {
  {
    RunReporter report = reporter(true);
    report.open_logs(folder_.path(), std::nullopt);
    for (std::int64_t step = 1; step <= 10; ++step) report.step(line(step));
  }
  RunReporter report = reporter(true);
  report.open_logs(folder_.path(), 5);
  report.step(line(12));
  const std::vector<Json> found = events();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1]["step"], 5);
  EXPECT_EQ(found[2]["step"], 12);
}

TEST_F(Reporter, DescribesTheStart) {
  RunReporter report = reporter(true);
  RunSummary summary;
  summary.ranks = 2;
  summary.grains = 4;
  summary.device = "cpu";
  summary.train_rows = 1200;
  summary.validation_rows = 300;
  summary.labels = 3;
  summary.first_step = 8;
  summary.total_steps = 114;
  report.start(summary);
  LoadReport load;
  load.initialized = {"a", "b", "c", "d", "e", "f", "g", "h"};
  load.unexpected = {"cls.bias"};
  report.weights(load);
  report.without_dropout(0);
  report.without_dropout(3);
  const std::string text = said();
  EXPECT_HAS(text, "1,200 rows to train on, 300 to validate, 3 labels\n");
  EXPECT_HAS(text, "2 ranks of 1 thread, 4 grains, 114 steps, going on from step 8\n");
  EXPECT_HAS(text, "new weights: a, b, c, d, e, f and 2 more\n");
  EXPECT_HAS(text, "weights that this model has no use for: cls.bias\n");
  EXPECT_HAS(text, "the embeddings and 2 layers\n");
}

TEST_F(Reporter, OfAnotherRankSaysAndWritesNothing) {
  RunReporter report = reporter(false);
  report.open_logs(folder_.path(), std::nullopt);
  report.say("hello");
  report.start({});
  report.step(line(1));
  report.evaluation(6, 1.0, {{{"loss", 0.5}}, {}, {}}, true);
  report.saved(6, "somewhere");
  report.finish();
  EXPECT_EQ(said(), "");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(Reporter, BeforeItsLogsAreOpenItOnlySpeaks) {
  tensorboard_ = true;
  RunReporter report = reporter(true);
  report.step(line(1));
  EXPECT_HAS(said(), "step 1");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  report.open_logs(folder_.path(), std::nullopt);
  report.step(line(5));
  EXPECT_FALSE(std::filesystem::is_empty(folder_.path() / "tensorboard"));
}

}  // namespace
}  // namespace temper
