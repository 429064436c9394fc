#include "runtime/figures/mistakes_list.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "data/pictures/png_writer.h"
#include "runtime/figures/mistakes_sheet.h"
#include "tests/data/temporary_folder.h"
#include "tests/tiny_pictures.h"

namespace temper {
namespace {

TEST(WorstMistakes, AreThoseThatTheModelWasMostSureOf) {
  RowOutputs outputs(4, 2, /*several=*/false, {});
  outputs.put(0, std::vector<float>{3.0F, 0.0F}, 0);  // right
  outputs.put(1, std::vector<float>{1.0F, 0.0F}, 1);
  outputs.put(2, std::vector<float>{0.0F, 4.0F}, 0);
  outputs.put(3, std::vector<float>{9.0F, 0.0F}, -1);  // without a label
  const std::vector<Mistake> mistakes = all_mistakes(outputs, {"cat", "dog"});
  ASSERT_EQ(mistakes.size(), 2U);
  EXPECT_EQ(mistakes[0].row, 2);
  EXPECT_EQ(mistakes[0].truth, "cat");
  EXPECT_EQ(mistakes[0].prediction, "dog");
  EXPECT_NEAR(mistakes[0].probability, 0.982, 1e-3);
  EXPECT_EQ(mistakes[1].row, 1);
  EXPECT_EQ(mistakes_title("test rows", outputs), "test rows, wrong by the most probable class");
}

TEST(WorstMistakes, OfSeveralLabelsAreSingleLabels) {
  RowOutputs outputs(2, 2, /*several=*/true, {});
  outputs.put(0, std::vector<float>{-3.0F, 2.0F}, std::vector<float>{1.0F, 1.0F});
  outputs.put(1, std::vector<float>{-5.0F, 1.0F}, std::vector<float>{0.0F, 0.0F});
  const std::vector<Mistake> mistakes = all_mistakes(outputs, {"edema", "mass"});
  ASSERT_EQ(mistakes.size(), 2U);
  EXPECT_EQ(mistakes[0].truth, "edema");
  EXPECT_EQ(mistakes[0].prediction, "no edema");
  EXPECT_NEAR(mistakes[0].probability, 0.9526, 1e-4);
  EXPECT_EQ(mistakes[1].prediction, "mass");
  EXPECT_EQ(mistakes_title("test rows", outputs), "test rows, labels on the wrong side of 0.5");
  Calibration calibration;
  calibration.thresholds = {{"edema", 0.04, 0.0, 0.0}, {"mass", 0.8, 0.0, 0.0}};
  const std::vector<std::string> files{"a.png", "b.png"};
  // 0.047 reaches 0.04, and 0.731 does not reach 0.8: by the thresholds neither is a mistake.
  EXPECT_EQ(
      mistakes_list(mistakes, outputs, {"edema", "mass"}, &calibration, files),
      R"({"image":"a.png","label":"edema","prediction":"no edema","probability":0.952574,"decisions":{"edema":true}})"
      "\n"
      R"({"image":"b.png","label":"no mass","prediction":"mass","probability":0.731059,"decisions":{"mass":false}})"
      "\n");
}

TEST(MistakesList, TellsTheDecisionsOfTheThresholds) {
  RowOutputs outputs(1, 2, /*several=*/false, {});
  outputs.put(0, std::vector<float>{0.0F, 1.0F}, 0);
  Calibration calibration;
  calibration.thresholds = {{"dog", 0.9, 0.0, 0.0}};
  const std::vector<std::string> files{"one.png"};
  const std::vector<Mistake> mistakes = all_mistakes(outputs, {"cat", "dog"});
  const std::string told = R"({"image":"one.png","label":"cat","prediction":"dog","probability":0.731059)";
  EXPECT_EQ(mistakes_list(mistakes, outputs, {"cat", "dog"}, &calibration, files),
            told + R"(,"decisions":{"dog":false}})" + "\n");
  EXPECT_EQ(mistakes_list(mistakes, outputs, {"cat", "dog"}, nullptr, files), told + "}\n");
}

TEST(MistakesSheet, LeavesOutWhatCannotBeRead) {
  const testing_support::TemporaryFolder folder;
  write_png(folder.path() / "there.png", testing_support::striped_picture(20, 16, 1, true));
  ImageRows rows;
  rows.files = {(folder.path() / "there.png").string(), (folder.path() / "absent.png").string()};
  const ImageSource images(rows, {});
  // More of them than a sheet shows come first.
  std::vector<Mistake> mistakes(kMistakesShown + 1, {1, "a", "b", 0.9, 1});
  EXPECT_FALSE(mistakes_sheet(mistakes, images, "test rows").has_value());
  mistakes.push_back({0, "a", "b", 0.8, 1});
  const std::optional<Picture> sheet = mistakes_sheet(mistakes, images, "test rows");
  ASSERT_TRUE(sheet.has_value());
  EXPECT_EQ(sheet->channels, 3);
}

TEST(MistakesSheet, IsOfPicturesThatStandForThemselves) {
  const testing_support::TemporaryFolder folder;
  write_png(folder.path() / "there.png", testing_support::striped_picture(20, 16, 1, true));
  ImageRows rows;
  rows.files = {(folder.path() / "absent.png").string(), (folder.path() / "there.png").string()};
  ImageReading reading;
  const std::vector<Mistake> mistakes{{0, "a", "b", 0.9, 1}, {1, "a", "b", 0.8, 1}};
  EXPECT_EQ(mistakes_of_own_pictures(mistakes, ImageSource(rows, reading)).size(), 2U) << "the run would have ended";
  reading.skips_unreadable = true;
  const std::vector<Mistake> own = mistakes_of_own_pictures(mistakes, ImageSource(rows, reading));
  ASSERT_EQ(own.size(), 1U);
  EXPECT_EQ(own[0].row, 1);
}

}  // namespace
}  // namespace temper
