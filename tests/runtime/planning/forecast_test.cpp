// Forecasts of runs on the tiny model, on a machine of made-up rates.
#include "runtime/planning/forecast.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/mapped_file.h"
#include "tests/tiny_files.h"

namespace temper {
namespace {

class ForecastTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-forecast-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    testing_support::write_tiny_model(folder_ / "model");
    testing_support::write_tiny_data(folder_ / "data");
    configuration_.model.path = (folder_ / "model").string();
    configuration_.output.dir = (folder_ / "out").string();
    configuration_.data.train = (folder_ / "data/train.csv").string();
    configuration_.train.batch_size = 29;  // 7 steps an epoch
    configuration_.train.epochs = 2;
    machine_.alone = {1e9, 0.0, 1e9, {}};
    machine_.together = machine_.alone;
    machine_.all_reduce = {1e-5, 1e8};
    machine_.exchange = {2e-5, 1e9};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] EvaluationSetConfig set_of(const std::string& name, std::int64_t every_steps) const {
    EvaluationSetConfig set;
    set.name = name;
    set.data = (folder_ / "data/validation.csv").string();
    set.every_steps = every_steps;
    return set;
  }
  [[nodiscard]] RunForecast forecast() const { return forecast_run(configuration_, 1, 1, &machine_); }

  std::filesystem::path folder_;
  Configuration configuration_;
  MachineProfile machine_;
};

TEST_F(ForecastTest, NamedSetsCostTimeAsOftenAsEachIsMeasured) {
  ASSERT_EQ(forecast().total_steps, 14);
  EXPECT_EQ(forecast().evaluation_seconds, 0.0);
  configuration_.evaluate.sets = {set_of("with", 0)};
  const RunForecast with = forecast();
  EXPECT_EQ(with.phases.front().set_evaluations, (std::vector<std::int64_t>{2})) << "at the end of each epoch";
  EXPECT_GT(with.evaluation_seconds, 0.0);
  EXPECT_NEAR(with.seconds - with.evaluation_seconds, forecast().seconds - forecast().evaluation_seconds, 1e-9);

  configuration_.evaluate.sets.push_back(set_of("often", 4));
  const RunForecast often = forecast();
  EXPECT_EQ(often.phases.front().set_evaluations, (std::vector<std::int64_t>{2, 4})) << "and at the end of the run";
  EXPECT_NEAR(often.evaluation_seconds, 3.0 * with.evaluation_seconds, 1e-9);

  configuration_.evaluate.sets.clear();
  configuration_.data.validation = (folder_ / "data/validation.csv").string();
  EXPECT_NEAR(forecast().evaluation_seconds, with.evaluation_seconds, 1e-9) << "the same rows as often";
}

TEST_F(ForecastTest, NamedSetsTakeMemory) {
  std::string rows = "text,label\n";
  for (int row = 0; row < 400'000; ++row) rows += "the good stone on the road,x\n";
  write_file_atomically(folder_ / "many.csv", rows);
  const std::int64_t before = forecast().phases.front().facts.process_bytes;
  configuration_.evaluate.sets = {set_of("many", 0)};
  configuration_.evaluate.sets.front().data = (folder_ / "many.csv").string();
  EXPECT_GT(forecast().phases.front().facts.process_bytes, before + 400'000 * 24)
      << "a token and a row are 8 and 16 bytes, about";
}

}  // namespace
}  // namespace temper
