// Whole runs that are measured as clinicians do: thresholds and temperature from the validation rows, intervals,
// pictures, and what eval and predict make of them.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class MeasuredRun : public TinyRun {
 protected:
  Json train_measured(const std::string& output, int ranks = 0, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"train", "run.toml", "--json"};
    std::vector<std::string> overrides{"output.dir=" + output,       "evaluate.calibrate=yes", "evaluate.resamples=50",
                                       "evaluate.positive=positive", "train.epochs=1",         "train.grains=6"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    for (const std::string& override_ : overrides) {
      arguments.emplace_back("--set");
      arguments.push_back(override_);
    }
    const Outcome outcome = run({.arguments = arguments, .ranks = ranks, .folder = folder_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.status == 0 ? Json::parse(outcome.last_line()) : Json();
  }
};

TEST_F(MeasuredRun, TellsTheSameOnAnyNumberOfRanks) {
  const Json alone = train_measured("alone");
  const Json on_three = train_measured("on-three", 3);
  EXPECT_EQ(alone["test"], on_three["test"]);
  EXPECT_EQ(alone["calibration"], on_three["calibration"]);
  EXPECT_EQ(alone["calibration"]["positive"], "positive");
  EXPECT_EQ(alone["calibration"]["thresholds"].size(), 1U);
  EXPECT_LE(alone["test"]["auroc_low"].get<double>(), alone["test"]["auroc"].get<double>());
  EXPECT_GE(alone["test"]["auroc_high"].get<double>(), alone["test"]["auroc"].get<double>());
  for (const char* figure : {"roc.svg", "calibration.svg", "confusion.svg"})
    EXPECT_EQ(read(path("alone/figures") / figure), read(path("on-three/figures") / figure)) << figure;
}

TEST_F(MeasuredRun, EvalAndPredictUseWhatWasChosen) {
  // Evaluations measure the loss without the weights, so that those of the run and of eval are the same.
  const Json report = train_measured("measured", 0, {"train.class_weights=balanced"});
  const Outcome measured = run({.arguments = {"eval", "measured/model", "data/test.csv", "--resamples", "50", "--json"},
                                .ranks = 2,
                                .folder = folder_});
  ASSERT_EQ(measured.status, 0) << measured.err;
  Json metrics = Json::parse(measured.last_line());
  EXPECT_EQ(metrics["positive"], "positive");
  EXPECT_EQ(metrics["calibration"], report["calibration"]);
  for (const char* beside : {"rows", "positive", "calibration"}) metrics.erase(beside);
  EXPECT_EQ(metrics, report["test"]);
  const Outcome told =
      run({.arguments = {"eval", "measured/model", "data/test.csv", "--resamples", "50"}, .folder = folder_});
  EXPECT_NE(told.out.find("\npositive     \"positive\"\nthresholds   temperature "), std::string::npos) << told.out;
  EXPECT_NE(told.out.find("\"positive\" from a probability of "), std::string::npos) << told.out;
  EXPECT_NE(told.out.find("\nintervals    95 %, over "), std::string::npos) << told.out;
  const std::string card = read(path("measured/model/README.md"));
  EXPECT_NE(card.find("| Positive class | positive |"), std::string::npos) << card;
  EXPECT_NE(card.find("| Temperature | "), std::string::npos);
  EXPECT_NE(card.find("| Intervals | 95 %, over "), std::string::npos);

  const Outcome predicted =
      run({.arguments = {"predict", "measured/model", "data/test.csv", "--keep", "label"}, .folder = folder_});
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  const double threshold = report["calibration"]["thresholds"]["positive"]["youden"].get<double>();
  std::istringstream lines(predicted.out);
  std::string line;
  int called = 0;
  int positives = 0;
  while (std::getline(lines, line)) {
    const Json row = Json::parse(line);
    const bool decision = row["decisions"]["positive"].get<bool>();
    // Probabilities are written with six digits.
    const double probability = row["probabilities"]["positive"].get<double>();
    if (std::abs(probability - threshold) > 1e-6) {
      EXPECT_EQ(decision, probability > threshold) << line;
    }
    EXPECT_TRUE(row["calibrated_probability"].is_number());
    EXPECT_EQ(row["calibrated_probabilities"].size(), 3U);
    if (row["input_label"] != "positive") continue;
    ++positives;
    called += decision ? 1 : 0;
  }
  ASSERT_GT(positives, 0);
  EXPECT_DOUBLE_EQ(static_cast<double>(called) / positives, report["test"]["sensitivity"].get<double>());
}

TEST_F(MeasuredRun, ChoosesNothingOnRowsOfOneClass) {
  write("data/one.csv", "text,label\na good road,positive\nthe good table,positive\na good day,positive\n");
  std::vector<std::string> arguments{"train", "run.toml", "--json"};
  for (const char* override_ : {"output.dir=one", "evaluate.calibrate=yes", "evaluate.resamples=50", "train.epochs=1",
                                "data.validation=data/one.csv", "train.metric=auroc"}) {
    arguments.emplace_back("--set");
    arguments.emplace_back(override_);
  }
  const Outcome outcome = run({.arguments = arguments, .folder = folder_});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(
      outcome.err.find("validation rows are all \"positive\": no AUROC, threshold or temperature is taken from them"),
      std::string::npos)
      << outcome.err;
  const Json report = Json::parse(outcome.last_line());
  EXPECT_TRUE(report["calibration"].is_null());
  EXPECT_FALSE(report["test"].contains("sensitivity"));
  EXPECT_FALSE(Json::parse(read(path("one/model/temper.json"))).contains("calibration"));
}

TEST_F(MeasuredRun, AFinishedRunKeepsAndTellsItsTestFigures) {
  const Json first = train_measured("finished");
  const std::string log = read(path("finished/metrics.jsonl"));
  const Json again = train_measured("finished", 2);
  EXPECT_TRUE(again["already_finished"].get<bool>());
  EXPECT_EQ(again["calibration"], first["calibration"]);
  ASSERT_TRUE(again["test"].is_object());
  for (const char* name : {"loss", "accuracy", "auroc", "auroc_low", "auroc_high", "sensitivity"})
    EXPECT_EQ(again["test"][name], first["test"][name]) << name;
  EXPECT_EQ(read(path("finished/metrics.jsonl")), log);
}

TEST_F(MeasuredRun, AnExportedCheckpointHasTheThresholdsThatWereChosenForIt) {
  const Json report = train_measured("measured", 0, {"checkpoint.every_steps=3", "checkpoint.keep=9"});
  const auto exported = [&](const std::string& step) {
    Outcome outcome = run({.arguments = {"export", "measured/checkpoints/checkpoint-0000000" + step + ".h5", "-o",
                                         "exported-" + step, "--json"},
                           .folder = folder_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome;
  };
  const Outcome last = exported("7");
  EXPECT_EQ(Json::parse(last.last_line())["calibration"], report["calibration"]);
  EXPECT_EQ(Json::parse(read(path("exported-7/temper.json")))["calibration"], report["calibration"]);
  const Outcome earlier = exported("3");
  EXPECT_NE(earlier.err.find("without thresholds and temperature: those of"), std::string::npos) << earlier.err;
  EXPECT_NE(earlier.err.find("are of step 7"), std::string::npos) << earlier.err;
  EXPECT_FALSE(Json::parse(read(path("exported-3/temper.json"))).contains("calibration"));
}

TEST_F(MeasuredRun, RefusesWhatCannotBe) {
  const auto refused = [&](const std::string& override_) {
    const Outcome outcome =
        run({.arguments = {"train", "run.toml", "--set", override_, "--set", "output.dir=refused"}, .folder = folder_});
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    return outcome.err;
  };
  EXPECT_NE(refused("evaluate.positive=posotive").find("evaluate.positive"), std::string::npos);
  EXPECT_NE(refused("evaluate.at_specificity=1.5").find("evaluate.at_specificity"), std::string::npos);
  EXPECT_NE(refused("evaluate.threshold_by=luck").find("evaluate.threshold_by"), std::string::npos);
  EXPECT_NE(refused("evaluate.calibrate=perhaps").find("evaluate.calibrate"), std::string::npos);
}

}  // namespace
}  // namespace temper::system_tests
