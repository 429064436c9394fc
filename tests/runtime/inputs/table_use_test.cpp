#include "runtime/inputs/table_use.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

class TableUseOf : public testing::Test {
 protected:
  TableUse use(const TableRequests& requests, const std::optional<TrainedUse>& trained, bool labelled = true,
               const TaskSpec& task = task_named("sequence-classification"), std::int64_t positions = 512) {
    said_.clear();
    return resolve(requests, trained, task, positions, table_, labelled,
                   [&](const std::string& line) { said_.push_back(line); });
  }

  static TrainedUse trained() {
    TrainedUse use;
    use.text = "review";
    use.text_pair = "";
    use.label = {"stars"};
    use.max_length = 64;
    use.masking_seed = 5;
    use.threshold = 0.2;
    return use;
  }

  Table table_{"new.csv", {"id", "review", "reply", "stars", "text", "label"}, {}, {}};
  std::vector<std::string> said_;
};

TEST_F(TableUseOf, AModelFromElsewhereHasTheDefaults) {
  const TableUse found = use({}, std::nullopt);
  EXPECT_EQ(found.text, "text");
  EXPECT_EQ(found.text_pair, "");
  EXPECT_EQ(found.label, std::vector<std::string>{"label"});
  EXPECT_EQ(found.max_length, 128);
  EXPECT_EQ(found.threshold, 0.5);
  EXPECT_TRUE(said_.empty());
}

TEST_F(TableUseOf, ATrainedModelIsThatOfTheTraining) {
  const TableUse found = use({}, trained());
  EXPECT_EQ(found.text, "review");
  EXPECT_EQ(found.label, std::vector<std::string>{"stars"});
  EXPECT_EQ(found.max_length, 64);
  EXPECT_EQ(found.threshold, 0.2);
  EXPECT_EQ(found.masking_seed, 5);
  EXPECT_TRUE(said_.empty());
  EXPECT_TRUE(use({}, trained(), /*labelled=*/false).label.empty());
}

TEST_F(TableUseOf, LengthsAreThoseThatTheModelHas) {
  TableRequests requests;
  requests.max_length = 1000;
  EXPECT_EQ(use(requests, std::nullopt).max_length, 512);
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], "--max-length is 1000, but the model has positions for 512");
  requests.stride = 600;
  const TaskSpec& texts = task_named("causal-lm");
  EXPECT_THROW(use(requests, std::nullopt, true, texts), Error);
  // Nobody said how long pieces of running text are to be.
  EXPECT_EQ(use({}, std::nullopt, true, texts).max_length, 128);
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], "pieces of 128 tokens at most, and the model takes 512");
  use({}, std::nullopt, true, texts, /*positions=*/64);
  EXPECT_TRUE(said_.empty());
}

TEST_F(TableUseOf, WindowsOfRunningTextAreThoseOfTheRun) {
  TrainedUse known = trained();
  known.stride = 16;
  const TaskSpec& texts = task_named("causal-lm");
  EXPECT_EQ(use({}, known, true, texts).stride, 16);
  EXPECT_TRUE(said_.empty());
  TableRequests requests;
  requests.stride = 0;
  EXPECT_EQ(use(requests, known, true, texts).stride, 0);
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], "tokens between windows 0 instead of 16 (--stride)");
  // Shorter windows than those of the run cannot lie so far apart.
  requests = {};
  requests.max_length = 8;
  EXPECT_EQ(use(requests, known, true, texts).stride, 0);
}

TEST_F(TableUseOf, AnOptionWinsAndOneLineSaysWhatDiffers) {
  TableRequests requests;
  requests.text = "text";
  requests.text_pair = "reply";
  requests.max_length = 32;
  const TableUse found = use(requests, trained());
  EXPECT_EQ(found.text, "text");
  EXPECT_EQ(found.text_pair, "reply");
  EXPECT_EQ(found.max_length, 32);
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], R"(text column "text" instead of "review")");
  EXPECT_HAS(said_[0], R"(second text "reply" instead of none)");
  EXPECT_HAS(said_[0], "tokens per row 32 instead of 64");
  EXPECT_EQ(said_[0].find("threshold"), std::string::npos) << "of no use to one class per row";
  requests = {};
  requests.threshold = 0.7;
  use(requests, trained(), true, task_named("multi-label"));
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], "threshold 0.7 instead of 0.2");
}

TEST_F(TableUseOf, WhatIsOfTextsIsRefusedOfImages) {
  const TaskSpec& images = task_named("image-classification");
  TableRequests requests;
  requests.max_length = 64;
  EXPECT_THROW(use(requests, std::nullopt, true, images), Error);
  requests = {};
  requests.text_pair = "reply";
  EXPECT_THROW(use(requests, std::nullopt, true, images), Error);
}

TEST_F(TableUseOf, ViewsAreNotWhatThresholdsWereChosenOn) {
  const TaskSpec& images = task_named("image-classification");
  TrainedUse of_images;
  of_images.calibration = Calibration{};
  TableRequests requests;
  requests.views = "flip";
  use(requests, of_images, true, images);
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], "--views flip: thresholds and temperature were chosen on pictures as they are");
  use({}, of_images, true, images);
  EXPECT_TRUE(said_.empty());
  of_images.calibration.reset();
  use(requests, of_images, true, images);
  EXPECT_TRUE(said_.empty());
}

TEST_F(TableUseOf, AColumnThatTheTableLacksIsThatOfTheDefaultName) {
  table_.columns = {"text", "label"};
  const TableUse found = use({}, trained());
  EXPECT_EQ(found.text, "text");
  EXPECT_EQ(found.label, std::vector<std::string>{"label"});
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], R"(label column "label" instead of "stars")");
  table_.columns = {"words"};
  EXPECT_EQ(use({}, trained(), false).text, "review") << "which is then refused by name";
}

TEST_F(TableUseOf, AMissingSecondTextIsRefusedUnlessTextsAreSingle) {
  TrainedUse pairs = trained();
  pairs.text_pair = "answer";
  EXPECT_HAS(testing_support::error_of([&] { use({}, pairs); }),
             R"(new.csv: has no column "answer", the second text with which the model was trained)");
  TableRequests single;
  single.text_pair = "";
  EXPECT_EQ(use(single, pairs).text_pair, "");
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], R"(second text none instead of "answer")");
  table_ = {"standard input", {"review"}, {}, {}};
  EXPECT_HAS(testing_support::error_of([&] { use({}, pairs, false); }), R"(standard input: has no column "answer")");
  EXPECT_EQ(use(single, pairs, false).text_pair, "");
}

TEST_F(TableUseOf, GroupsAreThoseOfTheTraining) {
  const TaskSpec& images = task_named("image-classification");
  table_.columns = {"image", "label", "patient", "eye"};
  TrainedUse known;
  known.text = "image";
  known.group = "patient";
  known.calibration.emplace();
  EXPECT_EQ(use({}, known, true, images).group, "patient");
  EXPECT_TRUE(said_.empty());
  TableRequests requests;
  requests.group = "eye";
  EXPECT_EQ(use(requests, known, true, images).group, "eye");
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], R"(column of groups "eye" instead of "patient" (--group))");
  requests.group = "";
  EXPECT_EQ(use(requests, known, true, images).group, "");
  EXPECT_EQ(said_.size(), 1U);

  table_.columns = {"image", "label"};
  EXPECT_EQ(use({}, known, true, images).group, "");
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_HAS(said_[0], R"(intervals over rows, since the column "patient" of groups is missing (--group))");
  use({}, known, /*labelled=*/false, images);
  EXPECT_TRUE(said_.empty()) << "a prediction has no intervals";
  requests.resamples = 0;
  requests.group.reset();
  use(requests, known, true, images);
  EXPECT_TRUE(said_.empty()) << "nor has this one";
}

TEST_F(TableUseOf, AGroupThatChangesNothingIsRefused) {
  TableRequests requests;
  requests.group = "reply";
  EXPECT_HAS(testing_support::error_of([&] { use(requests, trained()); }), "--group is for models of images");
  EXPECT_HAS(testing_support::error_of([&] { use(requests, TrainedUse{}, true, task_named("image-classification")); }),
             "give --resamples");
}

}  // namespace
}  // namespace temper
