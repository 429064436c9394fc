// What a run is made of before its first step and hands over behind its last. Runs alone and under mpirun.
#include "runtime/delivery.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/tables/table_reader.h"
#include "runtime/evaluation/fitted_model.h"
#include "runtime/trainer.h"
#include "tests/runtime/screen.h"
#include "tests/runtime/shared_test_folder.h"
#include "tests/test_device.h"
#include "tests/tiny_files.h"
#include "tests/world.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

class RunTest : public testing_support::SharedFolderTest {
 protected:
  void SetUp() override {
    SharedFolderTest::SetUp();
    on_rank_0([&] {
      testing_support::write_tiny_model(folder_ / "model");
      testing_support::write_tiny_data(folder_ / "data");
    });
    configure({});
  }
  void configure(const std::vector<std::string>& more) {
    const auto quoted = [&](const std::string& name) { return "\"" + (folder_ / name).string() + "\""; };
    std::vector<std::string> overrides{"model.path=" + quoted("model"),
                                       "data.train=" + quoted("data/train.csv"),
                                       "data.validation=" + quoted("data/validation.csv"),
                                       "data.test=" + quoted("data/test.csv"),
                                       "output.dir=" + quoted("out"),
                                       "output.tensorboard=false",
                                       "train.grains=3",
                                       "train.epochs=1"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    configuration_ = parse_configuration(testing_support::tiny_configuration(), "tiny", overrides);
  }
  TrainReport train_whole() {
    TrainOptions options;
    options.stream = screen_.stream();
    TrainReport report = train(configuration_, *device_, world_, options);
    world_.barrier();
    return report;
  }
  /// A start up to its first step.
  std::unique_ptr<PreparedRun> prepare() {
    reporter_.emplace(configuration_.output, world_.rank() == 0, screen_.stream(), /*terminal=*/false, 100);
    state_ = {};
    return std::make_unique<PreparedRun>(configuration_, *device_, world_, job_, *reporter_, state_,
                                         [] { return false; });
  }
  void remove(const fs::path& path) const {
    world_.barrier();
    if (world_.rank() == 0) fs::remove_all(path);
    world_.barrier();
  }
  [[nodiscard]] std::string weights() const {
    std::ostringstream bytes;
    bytes << std::ifstream(folder_ / "out/model/model.safetensors", std::ios::binary).rdbuf();
    return bytes.str();
  }
  static bool never() { return false; }

  std::unique_ptr<Device> device_ = make_test_device();
  testing_support::Screen screen_;
  Configuration configuration_;
  Job job_;
  TrainingState state_;
  std::optional<RunReporter> reporter_;
};

using PreparedRunTest = RunTest;
using DeliveryTest = RunTest;

TEST_F(PreparedRunTest, BeginsAtStepZeroWithTheNewWeightsNoted) {
  const auto run = prepare();
  EXPECT_EQ(state_.step, 0);
  EXPECT_EQ(state_.grains, 3);
  EXPECT_EQ(state_.labels, (std::vector<std::string>{"negative", "neutral", "positive"}));
  ASSERT_FALSE(state_.changed.empty()) << "the head is new";
  EXPECT_FALSE(run->take_checkpoint().has_value());
  EXPECT_EQ(run->steps_per_epoch(), 7);
  EXPECT_EQ(run->summary(state_).total_steps, 7);
  EXPECT_EQ(run->summary(state_).test_rows, testing_support::kHeldOutRows);
  world_.barrier();  // rank 0 writes
  EXPECT_TRUE(fs::exists(folder_ / "out/configuration.toml"));
}

TEST_F(PreparedRunTest, GoesOnFromTheCheckpointThatItFinds) {
  train_whole();
  const auto run = prepare();
  EXPECT_EQ(state_.step, 7);
  EXPECT_TRUE(state_.finished);
  const std::optional<FoundCheckpoint> found = run->take_checkpoint();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->path.filename(), "checkpoint-00000007.h5");
  EXPECT_FALSE(run->take_checkpoint().has_value()) << "once";
}

TEST_F(PreparedRunTest, ARunThatIsRefusedLeavesAnOlderOneAlone) {
  train_whole();
  const std::string before = weights();
  for (const char* wrong :
       {"tuning.freeze=[\"nothing.is.called.this\"]", "train.metric=\"pearson\"", "train.early_stopping=2"}) {
    std::vector<std::string> overrides{"checkpoint.resume=false", wrong};
    if (std::string(wrong).starts_with("train.early")) overrides.emplace_back("data.validation=\"\"");
    configure(overrides);
    EXPECT_THROW(prepare(), Error) << wrong;
    world_.barrier();
    EXPECT_TRUE(weights() == before) << wrong;
    EXPECT_FALSE(fs::exists(folder_ / "out/checkpoints.old-1")) << wrong;
  }
}

TEST_F(DeliveryTest, AModelThatIsLostIsMadeAgain) {
  const TrainReport whole = train_whole();
  const std::string before = weights();
  {
    const auto run = prepare();
    EXPECT_FALSE(delivery_is_due(*run));
  }
  remove(folder_ / "out/model");
  const auto run = prepare();
  ASSERT_TRUE(delivery_is_due(*run));
  ASSERT_FALSE(best_is_earlier(state_));
  const std::optional<Delivered> delivered = hand_over(*run, state_, whole.best, never, nullptr);
  ASSERT_TRUE(delivered.has_value());
  EXPECT_TRUE(weights() == before);
  EXPECT_EQ(delivered->test.values, whole.test.values);
  EXPECT_EQ(delivered->model, folder_ / "out/model");
  EXPECT_FALSE(delivery_is_due(*run));
  for (const char* name : {"config.json", "tokenizer.json", "temper.json", "README.md"})
    EXPECT_TRUE(fs::exists(delivered->model / name)) << name;
}

TEST_F(DeliveryTest, ThresholdsAndTemperatureAreChosenOnValidationRowsAndKept) {
  configure({"evaluate.calibrate=yes", "evaluate.resamples=20", "train.metric=auroc"});
  const TrainReport whole = train_whole();
  ASSERT_TRUE(whole.calibration.has_value());
  const Calibration& chosen = *whole.calibration;
  ASSERT_EQ(chosen.thresholds.size(), 3U);
  EXPECT_EQ(chosen.thresholds[0].label, "negative");
  const std::optional<TrainedUse> use = read_trained_use(whole.model);
  ASSERT_TRUE(use.has_value() && use->calibration.has_value());
  EXPECT_EQ(*use->calibration, chosen);
  ASSERT_NE(whole.test.interval("auroc"), nullptr);
  EXPECT_EQ(whole.test.classes.size(), 3U);
  EXPECT_GT(whole.test.value("calibrated_loss"), 0.0);
  for (const char* name : {"roc.svg", "calibration.svg", "confusion.svg"})
    EXPECT_TRUE(fs::exists(folder_ / "out/figures" / name)) << name;
  EXPECT_NE(read(folder_ / "out/metrics.jsonl").find("\"auroc_low\""), std::string::npos);

  // The same from other test rows: what is chosen does not depend on them.
  configure({"evaluate.calibrate=yes", "evaluate.resamples=20", "train.metric=auroc", "checkpoint.resume=false",
             "data.test=\"" + (folder_ / "data/train.csv").string() + "\""});
  const TrainReport other = train_whole();
  ASSERT_TRUE(other.calibration.has_value());
  EXPECT_EQ(*other.calibration, chosen);
  EXPECT_NE(other.test.values, whole.test.values);

  // temper eval reads them from the model, and finds the figures of the run.
  FittedModel fitted(other.model, *device_, &world_);
  TableUse reading;
  reading.label = {"label"};
  reading.max_length = *fitted.trained()->max_length;
  reading.resamples = 20;
  const std::unique_ptr<TableSource> table = open_tables(std::vector<fs::path>{folder_ / "data/train.csv"});
  const std::optional<Metrics> metrics = fitted.evaluate_table(*table, reading, configuration_.evaluate.batch_size, 1,
                                                               world_, never, [](const std::string&) {});
  ASSERT_TRUE(metrics.has_value());
  EXPECT_EQ(metrics->values, other.test.values);
  EXPECT_EQ(metrics->intervals, other.test.intervals);
}

TEST_F(DeliveryTest, HandsOverTheBestModelNotTheLast) {
  configure({"tuning.phases=[{freeze=[\"*\"], epochs=1}, {freeze=[], epochs=1, learning_rate=5.0}]", "train.epochs=2",
             "train.clip_norm=0", "train.metric=loss"});
  const TrainReport whole = train_whole();
  ASSERT_EQ(whole.best_step, 7);
  const std::string best = weights();
  remove(folder_ / "out/model");
  const auto run = prepare();
  ASSERT_TRUE(best_is_earlier(state_));
  ASSERT_TRUE(hand_over(*run, state_, whole.best, never, nullptr).has_value());
  EXPECT_FALSE(weights() == best) << "the last one, as long as the best is not loaded";
  load_best(*run, state_);
  ASSERT_TRUE(hand_over(*run, state_, whole.best, never, nullptr).has_value());
  EXPECT_TRUE(weights() == best);
}

TEST_F(DeliveryTest, ASignalToOneRankLeavesNoModelOnAny) {
  const TrainReport whole = train_whole();
  remove(folder_ / "out/model");
  const auto run = prepare();
  const auto signalled = [this] { return world_.rank() == world_.size() - 1; };
  EXPECT_FALSE(hand_over(*run, state_, whole.best, signalled, nullptr).has_value());
  world_.barrier();
  EXPECT_FALSE(fs::exists(folder_ / "out/model"));
  EXPECT_TRUE(delivery_is_due(*run));
}

TEST_F(DeliveryTest, WithoutAnExportTestFiguresAreAllThereIs) {
  configure({"output.export_model=false"});
  const TrainReport whole = train_whole();
  EXPECT_FALSE(whole.test.values.empty());
  EXPECT_TRUE(whole.model.empty());
  const auto run = prepare();
  EXPECT_TRUE(delivery_is_due(*run)) << "nobody knows whether they were seen";
  const std::optional<Delivered> delivered = hand_over(*run, state_, whole.best, never, nullptr);
  ASSERT_TRUE(delivered.has_value());
  EXPECT_EQ(delivered->test.values, whole.test.values);
  EXPECT_TRUE(delivered->model.empty());
}

}  // namespace
}  // namespace temper
