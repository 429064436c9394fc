#include "runtime/reporting/run_reporter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "model/freezing.h"
#include "tests/model_fixture.h"
#include "tests/runtime/screen.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using testing_support::Screen;

class RunReporterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-reporter-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  RunReporter& reporter(bool speaks = true, std::optional<std::int64_t> resume_step = {}) {
    reporter_.emplace(output_, speaks, screen_.stream(), /*terminal=*/false, 100);
    reporter_->open_logs(folder_, resume_step);
    return *reporter_;
  }
  [[nodiscard]] std::vector<Json> events() const {
    std::vector<Json> found;
    std::ifstream log(folder_ / "metrics.jsonl");
    for (std::string line; std::getline(log, line);) found.push_back(Json::parse(line));
    return found;
  }
  [[nodiscard]] std::vector<std::int64_t> steps_of(const std::string& kind) const {
    std::vector<std::int64_t> steps;
    for (const Json& event : events())
      if (event["kind"] == kind) steps.push_back(event["step"]);
    return steps;
  }

  OutputSection output_{"", /*log_every=*/5, /*tensorboard=*/false, true};
  Screen screen_;
  std::filesystem::path folder_;
  std::optional<RunReporter> reporter_;
};

TEST_F(RunReporterTest, IsSilentOnOtherRanks) {
  output_.tensorboard = true;
  RunReporter& silent = reporter(/*speaks=*/false);
  silent.say("a text");
  silent.start({});
  silent.step({.step = 5, .total_steps = 10});
  silent.evaluation(5, 1.0, {{{"accuracy", 0.5}}, {}}, true);
  silent.saved(5, "a/checkpoint.h5");
  silent.finish();
  EXPECT_EQ(screen_.bytes(), "");
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(RunReporterTest, SaysWhatTheRunIs) {
  RunSummary summary{.ranks = 2, .threads = 1, .device = "cpu", .train_rows = 1234, .labels = 3, .total_steps = 40};
  summary.grains = 4;
  reporter().start(summary);
  summary.ranks = summary.grains = 1;
  summary.threads = 8;
  summary.validation_rows = 10;
  summary.test_rows = 20;
  summary.labels = 0;
  summary.first_step = 7;
  reporter_->start(summary);
  summary.device = "a GPU";
  reporter_->start(summary);
  EXPECT_EQ(screen_.bytes(),
            "1,234 rows to train on, 3 labels\n"
            "2 ranks of 1 thread, 4 grains, 40 steps\n"
            "1,234 rows to train on, 10 to validate, 20 to test\n"
            "1 rank of 8 threads, 1 grain, 40 steps, resuming from step 7\n"
            "1,234 rows to train on, 10 to validate, 20 to test\n"
            "1 rank on a GPU, 1 grain, 40 steps, resuming from step 7\n");
}

TEST_F(RunReporterTest, NamesWeightsThatAreNewAndCountsTheRest) {
  LoadReport report;
  reporter().weights(report);
  EXPECT_EQ(screen_.bytes(), "");
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) report.initialized.emplace_back(name);
  report.unexpected = report.initialized;
  report.unexpected.insert(report.unexpected.end(), {"g", "h"});
  report.replaced = {"z"};
  reporter_->weights(report);
  EXPECT_EQ(screen_.bytes(),
            "newly initialised: a, b, c, d, e, f\n"
            "replaced weights: z\n"
            "weights that this model has no use for: a, b, c, d, e, f and 2 more\n");
}

TEST_F(RunReporterTest, CountsWhatAPhaseTrains) {
  const auto device = make_test_device();
  const testing_support::ModelFixture fixture("bert-frozen");
  const auto model = fixture.load(*device);
  apply_freezing(*model, std::vector<std::string>{"*"});
  std::int64_t all = 0;
  std::int64_t head = 0;
  for (const Parameter& parameter : model->parameters().all()) {
    all += parameter.size();
    head += parameter.role == ParameterRole::head ? parameter.size() : 0;
  }
  reporter().phase(1, 3, *model, 20, /*begins=*/true);
  reporter_->phase(0, 1, *model, 25, /*begins=*/false);
  reporter_->without_dropout(0);
  reporter_->without_dropout(1);
  reporter_->without_dropout(2);
  reporter_->without_dropout(3);
  const std::string training = "training " + std::to_string(head) + " of ";
  const std::vector<std::string> lines = screen_.lines();
  ASSERT_GE(lines.size(), 5U);
  EXPECT_EQ(lines[0].find("phase 2 of 3: " + training), 0U) << lines[0];
  EXPECT_EQ(lines[1].find(training), 0U) << lines[1];
  EXPECT_EQ(lines[2], "frozen from the bottom, without dropout: the embeddings");
  EXPECT_EQ(lines[3], "frozen from the bottom, without dropout: the embeddings and 1 layer");
  EXPECT_EQ(lines[4], "frozen from the bottom, without dropout: the embeddings and 2 layers");
  // A run that goes on inside a phase has its begin in the log.
  const std::vector<Json> logged = events();
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_EQ(logged[0], Json({{"step", 20}, {"kind", "phase"}, {"phase", 1.0}, {"trained_parameters", head}}));
  EXPECT_GT(all, head);
}

TEST_F(RunReporterTest, LogsTheFirstStepTheLastAndEveryFew) {
  RunReporter& log = reporter();
  for (std::int64_t step = 1; step <= 12; ++step)
    log.step({.step = step,
              .total_steps = 12,
              .epoch = 0.5,
              .loss = 1.0 / static_cast<double>(step),
              .learning_rate = 1e-3,
              .gradient_norm = 2.0,
              .examples_per_second = 30.0,
              .tokens_per_second = 400.0});
  EXPECT_EQ(steps_of("train"), (std::vector<std::int64_t>{1, 5, 10, 12}));
  EXPECT_EQ(events()[1], Json({{"step", 5},
                               {"kind", "train"},
                               {"epoch", 0.5},
                               {"loss", 0.2},
                               {"learning_rate", 1e-3},
                               {"gradient_norm", 2.0},
                               {"examples_per_second", 30.0},
                               {"tokens_per_second", 400.0}}));
  // The lines for people are those of the log.
  EXPECT_EQ(screen_.lines().size(), 4U + 1U) << screen_.bytes();
}

TEST_F(RunReporterTest, LogsEvaluationsTestsAndCheckpoints) {
  RunReporter& log = reporter();
  log.evaluation(7, 1.0, {{{"loss", 0.5}, {"accuracy", 0.25}}, {}}, /*best=*/true);
  log.evaluation(14, 2.0, {{{"loss", 0.75}}, {}}, /*best=*/false);
  log.saved(14, "run/checkpoints/checkpoint-14.h5");
  log.test(14, {});
  log.test(14, {{{"loss", 1.5}}, {}});
  log.finish();
  const std::vector<Json> logged = events();
  ASSERT_EQ(logged.size(), 4U) << "a test without metrics is none";
  EXPECT_EQ(
      logged[0],
      Json({{"step", 7}, {"kind", "evaluation"}, {"epoch", 1.0}, {"best", 1.0}, {"loss", 0.5}, {"accuracy", 0.25}}));
  EXPECT_EQ(logged[1]["best"], 0.0);
  EXPECT_EQ(logged[2], Json({{"step", 14}, {"kind", "checkpoint"}}));
  EXPECT_EQ(logged[3], Json({{"step", 14}, {"kind", "test"}, {"loss", 1.5}}));
  const std::string said = screen_.bytes();
  EXPECT_NE(said.find("accuracy 0.2500  best\n"), std::string::npos) << said;
  EXPECT_NE(said.find("loss 0.7500\n"), std::string::npos) << said;
  EXPECT_NE(said.find("saved run/checkpoints/checkpoint-14.h5\n"), std::string::npos) << said;
}

TEST_F(RunReporterTest, GoesOnWithTheLogOfTheRunThatItResumes) {
  for (std::int64_t step = 1; step <= 3; ++step)
    reporter(true, step == 1 ? std::optional<std::int64_t>() : step - 1).step({.step = 5 * step, .total_steps = 100});
  EXPECT_TRUE(steps_of("train") == std::vector<std::int64_t>{15}) << "what came after the checkpoint is cut off";
  reporter(true, 15).step({.step = 20, .total_steps = 100});
  EXPECT_EQ(steps_of("train"), (std::vector<std::int64_t>{15, 20}));
}

TEST_F(RunReporterTest, WritesTensorBoardWhereItIsWanted) {
  reporter().step({.step = 5, .total_steps = 10});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "tensorboard"));
  output_.tensorboard = true;
  reporter().step({.step = 5, .total_steps = 10});
  ASSERT_TRUE(std::filesystem::exists(folder_ / "tensorboard"));
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "tensorboard"));
}

/// Notes what it is told, as text.
class Witness : public RunObserver {
 public:
  explicit Witness(std::string& told) : told_(told) {}
  void message(const std::string& text) override { told_ += "message " + text + "\n"; }
  void start(const RunSummary& summary) override { note("start", summary.first_step); }
  void phase(const PhaseSummary& phase) override { note("phase", phase.step); }
  void step(const ProgressLine& line, bool logged) override { note(logged ? "logged step" : "step", line.step); }
  void evaluation(const EvaluationSummary& evaluation) override { note("evaluation", evaluation.step); }
  void test(std::int64_t step, const Metrics& /*metrics*/) override { note("test", step); }
  void saved(std::int64_t step, const std::filesystem::path& /*checkpoint*/) override { note("saved", step); }
  void finish() override { note("finish", -1); }

 private:
  void note(const std::string& what, std::int64_t step) { told_ += what + " " + std::to_string(step) + "\n"; }
  std::string& told_;
};

TEST_F(RunReporterTest, TellsEachObserverAllThatHappensInItsOrder) {
  std::string told;
  const auto all_that_happens = [](RunReporter& run) {
    run.say("a text");
    RunSummary summary;
    summary.first_step = 2;
    run.start(summary);
    run.step({.step = 3, .total_steps = 9});
    run.step({.step = 5, .total_steps = 9});
    run.evaluation(5, 0.5, {{{"loss", 1.0}}, {}}, false);
    run.saved(5, "a/checkpoint.h5");
    run.test(9, {});
    run.test(9, {{{"loss", 1.0}}, {}});
    run.finish();
  };
  RunReporter& run = reporter();
  run.add(std::make_unique<Witness>(told));
  all_that_happens(run);
  EXPECT_EQ(told, "message a text\nstart 2\nstep 3\nlogged step 5\nevaluation 5\nsaved 5\ntest 9\nfinish -1\n");
  told.clear();
  RunReporter& silent = reporter(/*speaks=*/false);
  silent.add(std::make_unique<Witness>(told));
  all_that_happens(silent);
  EXPECT_EQ(told, "") << "on ranks that do not report";
}

TEST_F(RunReporterTest, AnObserverMayListenToLittle) {
  class Counter : public RunObserver {
   public:
    explicit Counter(int& steps) : steps_(steps) {}
    void step(const ProgressLine& /*line*/, bool /*logged*/) override { ++steps_; }

   private:
    int& steps_;
  };
  int steps = 0;
  RunReporter& run = reporter();
  run.add(std::make_unique<Counter>(steps));
  run.say("a text");
  for (std::int64_t step = 1; step <= 12; ++step) run.step({.step = step, .total_steps = 12});
  run.finish();
  EXPECT_EQ(steps, 12);
}

}  // namespace
}  // namespace temper
