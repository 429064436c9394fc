#include "runtime/tasks/prediction_json.h"

#include <gtest/gtest.h>

#include <cmath>

namespace temper {
namespace {

/// The logarithm of a probability is a logit whose softmax is that probability.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

PredictionJson parsed(const char* json) { return PredictionJson::parse(json); }

TEST(PredictionJsonLine, NumbersHaveTheFewestDigitsThatReadBackAlike) {
  // nlohmann's writer gives more for some.
  const PredictionJson json{{"a", 0.242243},
                            {"b", PredictionJson::array({1.0, 0.000649, 12345678.5})},
                            {"c", PredictionJson::object()},
                            {"d", "\u00e9\xFF\n"},
                            {"e", nullptr},
                            {"f", 7}};
  EXPECT_EQ(json_line(json),
            "{\"a\":0.242243,\"b\":[1.0,0.000649,12345678.5],\"c\":{},\"d\":\"\u00e9\uFFFD\\n\",\"e\":null,\"f\":7}\n");
}

TEST(PredictionOfAClass, NamesTheMostProbable) {
  const LabelSet labels = LabelSet::from_names({"bad", "good", "so so"});
  PredictionJson row;
  write_class(row, labels, logits_of({0.25, 0.625, 0.125}), 0);
  EXPECT_EQ(row, parsed(R"({"label": "good", "probability": 0.625,
                            "probabilities": {"bad": 0.25, "good": 0.625, "so so": 0.125}})"));
  row = {};
  write_class(row, labels, logits_of({0.25, 0.625, 0.125}), 2);
  EXPECT_EQ(row["probabilities"].dump(), R"({"good":0.625,"bad":0.25})");
  row = {};
  write_class(row, labels, logits_of({0.25, 0.625, 0.125}), 9);
  EXPECT_EQ(row["probabilities"].size(), 3U);
}

TEST(PredictionOfLabels, NamesThoseAboveTheThreshold) {
  const LabelSet labels = LabelSet::from_names({"a", "b", "c"});
  const std::vector<float> logits{0.0F, static_cast<float>(std::log(3.0)), static_cast<float>(-std::log(3.0))};
  PredictionJson row;
  write_label_set(row, labels, logits, 0.5, 0);
  EXPECT_EQ(row, parsed(R"({"labels": ["b"], "probabilities": {"a": 0.5, "b": 0.75, "c": 0.25}})"));
  row = {};
  write_label_set(row, labels, logits, 0.2, 1);
  EXPECT_EQ(row, parsed(R"({"labels": ["a", "b", "c"], "probabilities": {"b": 0.75}})"));
}

TEST(PredictionOfWords, LabelsEachWordOnceAndJoinsEntities) {
  const LabelSet labels = LabelSet::from_names({"O", "B-PER", "I-PER"});
  // [CLS] Zoë Q ##uin sings [SEP], of which the last word was cut off.
  const std::vector<std::int32_t> ids{2, 10, 11, 12, 13, 3};
  const std::vector<std::int32_t> words{-100, 0, 1, -100, 2, -100};
  std::vector<float> logits;
  for (const auto& p : std::vector<std::vector<double>>{{0.9, 0.05, 0.05},
                                                        {0.25, 0.5, 0.25},
                                                        {0.125, 0.125, 0.75},
                                                        {0.9, 0.05, 0.05},
                                                        {0.75, 0.125, 0.125},
                                                        {0.9, 0.05, 0.05}}) {
    const std::vector<float> row = logits_of(p);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  PredictionJson row;
  EXPECT_EQ(write_words(row, labels, "Zoë Quin sings  aloud", {ids, words, logits}, 0), 1);
  EXPECT_EQ(row, parsed(R"({"offsets": "characters", "words": [
      {"word": "Zoë", "label": "B-PER", "probability": 0.5, "start": 0, "end": 3},
      {"word": "Quin", "label": "I-PER", "probability": 0.75, "start": 4, "end": 8},
      {"word": "sings", "label": "O", "probability": 0.75, "start": 9, "end": 14},
      {"word": "aloud", "label": null, "probability": null, "start": 16, "end": 21}],
    "entities": [{"type": "PER", "text": "Zoë Quin", "start": 0, "end": 8, "probability": 0.625}]})"));

  row = {};
  EXPECT_EQ(write_words(row, labels, R"(["Zoë", "Quin", "sings"])", {ids, words, logits}, 1), 0);
  EXPECT_EQ(row["offsets"], "words");
  EXPECT_EQ(row["words"][2], parsed(R"({"word": "sings", "label": "O", "probability": 0.75, "start": 2, "end": 3,
                                        "probabilities": {"O": 0.75}})"));
  EXPECT_EQ(row["entities"],
            parsed(R"([{"type": "PER", "text": "Zoë Quin", "start": 0, "end": 2, "probability": 0.625}])"));
}

TEST(PredictionOfClasses, TellsWhatIsCalibratedBesideWhatIsNot) {
  const LabelSet labels = LabelSet::from_names({"well", "ill"});
  const auto ill = static_cast<float>(std::log(1.0 / 4.0));  // 4/5 and 1/5; with a temperature of 2 2/3 and 1/3
  const std::vector<float> logits{0.0F, ill};
  const Calibration calibration{.temperature = 2.0, .positive = {}, .thresholds = {{"ill", 0.19, 0.5, 0.1}}};
  PredictionJson row;
  write_class(row, labels, logits, 0);
  write_calibrated(row, labels, logits, false, calibration, 0);
  EXPECT_EQ(row, parsed(R"({"label": "well", "probability": 0.8, "probabilities": {"well": 0.8, "ill": 0.2},
      "calibrated_probability": 0.666667, "calibrated_probabilities": {"well": 0.666667, "ill": 0.333333},
      "decisions": {"ill": true}})"));
  row = {};
  const Calibration strict{
      .temperature = 2.0, .rule = ThresholdRule::specificity, .positive = {}, .thresholds = {{"ill", 0.19, 0.5, 0.1}}};
  write_calibrated(row, labels, logits, true, strict, 1);
  EXPECT_EQ(row, parsed(R"({"calibrated_probabilities": {"well": 0.5}, "decisions": {"ill": false}})"));
}

TEST(PredictionOfWords, WithoutPrefixesJoinsEqualNeighbours) {
  const LabelSet labels = LabelSet::from_names({"O", "PER"});
  const std::vector<std::int32_t> ids{10, 11, 12, 13};
  const std::vector<std::int32_t> words{0, 1, 2, 3};
  const std::vector<float> logits{0, 1, 0, 1, 1, 0, 0, 1};
  PredictionJson row;
  write_words(row, labels, "a b c d", {ids, words, logits}, 0);
  ASSERT_EQ(row["entities"].size(), 2U);
  EXPECT_EQ(row["entities"][0]["text"], "a b");
  EXPECT_EQ(row["entities"][1]["text"], "d");
}

}  // namespace
}  // namespace temper
