#include "runtime/evaluation/model_selection.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"

namespace temper {
namespace {

Metrics metrics(const std::string& name, double value) {
  Metrics made;
  made.values = {{name, value}};
  return made;
}

TEST(ModelSelection, KeepsTheBestAndCountsWhatDoesNotGain) {
  ModelSelection selection("accuracy", 2);
  TrainingState state;
  state.step = 1;
  EXPECT_TRUE(selection.judge(metrics("accuracy", 0.5), state));
  state.step = 2;
  EXPECT_FALSE(selection.judge(metrics("accuracy", 0.5), state)) << "an equal one is no gain";
  EXPECT_FALSE(selection.patience_is_exhausted(state));
  state.step = 3;
  EXPECT_FALSE(selection.judge(metrics("accuracy", std::numeric_limits<double>::quiet_NaN()), state));
  EXPECT_TRUE(selection.patience_is_exhausted(state));
  EXPECT_EQ(state.best_step, 1);
  state.step = 4;
  EXPECT_TRUE(selection.judge(metrics("accuracy", 0.6), state));
  EXPECT_EQ(state.best_step, 4);
  EXPECT_EQ(state.evaluations_without_gain, 0);
}

Metrics accuracy_and_loss(double accuracy, double loss) {
  Metrics made;
  made.values = {{"loss", loss}, {"accuracy", accuracy}};
  return made;
}

TEST(ModelSelection, OfEqualOnesTheLowerLossIsTheBest) {
  ModelSelection selection("accuracy", 2);
  TrainingState state;
  state.step = 1;
  EXPECT_TRUE(selection.judge(accuracy_and_loss(0.5, 0.9), state));
  state.step = 2;
  EXPECT_FALSE(selection.judge(accuracy_and_loss(0.5, 0.9), state));
  state.step = 3;
  EXPECT_TRUE(selection.judge(accuracy_and_loss(0.5, 0.8), state));
  EXPECT_EQ(state.best_step, 3);
  EXPECT_EQ(state.best_metrics.front().second, 0.8);
  EXPECT_TRUE(selection.patience_is_exhausted(state)) << "a lower loss alone is no gain";
  EXPECT_FALSE(selection.judge(accuracy_and_loss(0.4, 0.1), state));
  EXPECT_TRUE(selection.judge(accuracy_and_loss(0.6, 2.0), state));
  EXPECT_EQ(state.evaluations_without_gain, 0);
}

TEST(ModelSelection, WithoutAMetricTheLossJudges) {
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  ModelSelection selection("accuracy", 0);
  TrainingState state;
  state.step = 1;
  EXPECT_TRUE(selection.judge(accuracy_and_loss(kUndefined, 0.9), state));
  EXPECT_EQ(state.best_metrics.size(), 1U) << "what is undefined is not kept";
  state.step = 2;
  EXPECT_FALSE(selection.judge(accuracy_and_loss(kUndefined, 1.0), state));
  ModelSelection resumed("accuracy", 0, state);
  state.step = 3;
  EXPECT_TRUE(resumed.judge(accuracy_and_loss(kUndefined, 0.8), state));
  EXPECT_EQ(state.best_step, 3);
  EXPECT_TRUE(resumed.judge(accuracy_and_loss(0.2, 5.0), state)) << "a metric that is known is ahead of none";
  EXPECT_FALSE(resumed.judge(accuracy_and_loss(kUndefined, 0.1), state));
  ModelSelection diverged("accuracy", 0);
  TrainingState lost;
  lost.step = 1;
  EXPECT_FALSE(diverged.judge(accuracy_and_loss(kUndefined, kUndefined), lost));
  EXPECT_LT(lost.best_step, 0);
}

TEST(ModelSelection, TakesTheLowerLoss) {
  ModelSelection selection("loss", 0);
  TrainingState state;
  EXPECT_TRUE(selection.judge(metrics("loss", 0.5), state));
  EXPECT_TRUE(selection.judge(metrics("loss", 0.4), state));
  EXPECT_FALSE(selection.judge(metrics("loss", 0.45), state));
  EXPECT_FALSE(selection.patience_is_exhausted(state)) << "no patience is asked for";
}

TEST(ModelSelection, GoesOnFromACheckpoint) {
  TrainingState state;
  state.best_step = 3;
  state.best_metrics = {{"accuracy", 0.7}};
  ModelSelection selection("accuracy", 0, state);
  EXPECT_FALSE(selection.judge(metrics("accuracy", 0.6), state));
  EXPECT_TRUE(selection.judge(metrics("accuracy", 0.8), state));
}

/// The sentence of the refusal, empty where there is none.
std::string refusal(const Configuration& configuration, std::int64_t train, std::int64_t validation) {
  try {
    require_rows(configuration, train, validation);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

TEST(RequireRows, RefusesWhatLeavesNothingToMeasure) {
  Configuration configuration;
  EXPECT_EQ(refusal(configuration, 48, 0), "");
  configuration.train.early_stopping = 3;
  EXPECT_EQ(refusal(configuration, 48, 12), "");
  EXPECT_NE(refusal(configuration, 48, 0).find("train.early_stopping = 3"), std::string::npos);
  EXPECT_NE(refusal(configuration, 48, 0).find("0 of 48"), std::string::npos);

  configuration = {};
  configuration.data.validation_fraction = 0.01;
  EXPECT_EQ(refusal(configuration, 47, 1), "");
  const std::string nothing = refusal(configuration, 48, 0);
  for (const char* part : {"data.validation_fraction = 0.01", "keeps 0 of the 48", "raise it"})
    EXPECT_NE(nothing.find(part), std::string::npos) << nothing;
  EXPECT_NE(nothing.find("their texts decide"), std::string::npos) << nothing;
  Configuration images = configuration;
  images.model.task = "image-classification";
  EXPECT_NE(refusal(images, 48, 0).find("48 training pictures"), std::string::npos) << refusal(images, 48, 0);
  EXPECT_NE(refusal(images, 48, 0).find("their paths decide"), std::string::npos);
  images.data.group = "patient";
  EXPECT_NE(refusal(images, 48, 0).find("their groups decide"), std::string::npos);
  const std::string everything = refusal(configuration, 0, 48);
  for (const char* part : {"keeps 48 of the 48", "leaves 0", "lower it"})
    EXPECT_NE(everything.find(part), std::string::npos) << everything;

  configuration = {};
  configuration.tuning.phases = {{}, {}};
  configuration.tuning.phases[0].plateau_patience = 2;
  EXPECT_NE(refusal(configuration, 48, 0).find("phase 1"), std::string::npos);
  EXPECT_EQ(refusal(configuration, 48, 1), "");
}

}  // namespace
}  // namespace temper
