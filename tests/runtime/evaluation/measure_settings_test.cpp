#include "runtime/evaluation/measure_settings.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

const LabelSet kLabels = LabelSet::from_names({"normal", "pneumonia"});

std::string refusal_of(const EvaluateSection& evaluate, const char* task) {
  try {
    (void)measure_settings(evaluate, task_named(task), kLabels);
    (void)is_calibrated(evaluate, task_named(task), 0);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

TEST(MeasureSettings, AreThoseOfTheConfiguration) {
  EvaluateSection evaluate;
  evaluate.positive = "pneumonia";
  evaluate.threshold_by = "sensitivity";
  evaluate.at_sensitivity = 0.9;
  evaluate.resamples = 7;
  const MeasureSettings settings = measure_settings(evaluate, task_named("image-classification"), kLabels);
  EXPECT_EQ(settings.positive, 1);
  EXPECT_EQ(settings.rule, ThresholdRule::sensitivity);
  EXPECT_EQ(settings.sensitivity, 0.9);
  EXPECT_EQ(settings.resamples, 7);
  EXPECT_EQ(measure_settings({}, task_named("image-classification"), kLabels).positive, -1);
}

TEST(MeasureSettings, WrongOnesAreRefusedByName) {
  EvaluateSection evaluate;
  evaluate.positive = "pneumonja";
  EXPECT_NE(refusal_of(evaluate, "sequence-classification").find("evaluate.positive"), std::string::npos);
  EXPECT_NE(refusal_of(evaluate, "sequence-classification").find("did you mean \"pneumonia\""), std::string::npos)
      << refusal_of(evaluate, "sequence-classification");
  EXPECT_NE(refusal_of(evaluate, "image-multi-label").find("evaluate.positive"), std::string::npos);
  EvaluateSection calibrated;
  calibrated.calibrate = "yes";
  EXPECT_NE(refusal_of(calibrated, "regression").find("evaluate.calibrate"), std::string::npos);
  EXPECT_NE(refusal_of(calibrated, "sequence-classification").find("data.validation"), std::string::npos);
}

TEST(MeasureSettings, ImagesAreCalibratedUnasked) {
  const EvaluateSection evaluate;
  EXPECT_TRUE(is_calibrated(evaluate, task_named("image-classification"), 10));
  EXPECT_TRUE(is_calibrated(evaluate, task_named("image-multi-label"), 10));
  EXPECT_FALSE(is_calibrated(evaluate, task_named("image-classification"), 0)) << "without validation rows";
  EXPECT_FALSE(is_calibrated(evaluate, task_named("image-regression"), 10));
  EXPECT_FALSE(is_calibrated(evaluate, task_named("sequence-classification"), 10));
  EvaluateSection asked;
  asked.calibrate = "yes";
  EXPECT_TRUE(is_calibrated(asked, task_named("sequence-classification"), 10));
  asked.calibrate = "no";
  EXPECT_FALSE(is_calibrated(asked, task_named("image-classification"), 10));
}

}  // namespace
}  // namespace temper
