#include "runtime/figures/mistakes_sheet.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "data/pictures/png_writer.h"
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
  const std::vector<Mistake> mistakes = worst_mistakes(outputs, {"cat", "dog"}, 5);
  ASSERT_EQ(mistakes.size(), 2U);
  EXPECT_EQ(mistakes[0].row, 2);
  EXPECT_EQ(mistakes[0].truth, "cat");
  EXPECT_EQ(mistakes[0].prediction, "dog");
  EXPECT_NEAR(mistakes[0].probability, 0.982, 1e-3);
  EXPECT_EQ(mistakes[1].row, 1);
  EXPECT_EQ(worst_mistakes(outputs, {"cat", "dog"}, 1).size(), 1U);
}

TEST(WorstMistakes, OfSeveralLabelsAreSingleLabels) {
  RowOutputs outputs(2, 2, /*several=*/true, {});
  outputs.put(0, std::vector<float>{-3.0F, 2.0F}, std::vector<float>{1.0F, 1.0F});
  outputs.put(1, std::vector<float>{-5.0F, 1.0F}, std::vector<float>{0.0F, 0.0F});
  const std::vector<Mistake> mistakes = worst_mistakes(outputs, {"edema", "mass"}, 5);
  ASSERT_EQ(mistakes.size(), 2U);
  EXPECT_EQ(mistakes[0].truth, "edema");
  EXPECT_EQ(mistakes[0].prediction, "no edema");
  EXPECT_NEAR(mistakes[0].probability, 0.9526, 1e-4);
  EXPECT_EQ(mistakes[1].prediction, "mass");
}

TEST(MistakesSheet, LeavesOutWhatCannotBeRead) {
  const testing_support::TemporaryFolder folder;
  write_png(folder.path() / "there.png", testing_support::striped_picture(20, 16, 1, true));
  ImageRows rows;
  rows.files = {(folder.path() / "there.png").string(), (folder.path() / "absent.png").string()};
  const ImageSource images(rows, {});
  const Picture sheet = mistakes_sheet({{0, "a", "b", 0.9}, {1, "a", "b", 0.8}}, images, "test rows");
  EXPECT_EQ(sheet.channels, 3);
  EXPECT_THROW((void)mistakes_sheet({{1, "a", "b", 0.8}}, images, "test rows"), Error);
}

}  // namespace
}  // namespace temper
