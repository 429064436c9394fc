// The data of a run on images: on one rank and, under mpirun, on several.
#include "runtime/inputs/image_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/pictures/png_writer.h"
#include "data/tables/table_source.h"
#include "runtime/inputs/picture_agreement.h"
#include "runtime/inputs/run_model.h"
#include "tests/tiny_pictures.h"
#include "tests/world.h"

namespace temper {
namespace {

namespace fs = std::filesystem;
using testing_support::striped_picture;

/// A folder of each rank's own.
class ImageDataTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "temper-image-data-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    testing_support::write_tiny_vit(folder_ / "model");
    testing_support::write_picture_classes(folder_ / "train", 6, 1);
    configuration_.model.task = "image-classification";
    configuration_.data.train = path("train");
    configuration_.output.dir = path("out");
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  RunData prepare() {
    ModelFolder model(path("model"));
    model.set_image_size(configuration_.images.size);
    said_.clear();
    return prepare_image_data(configuration_, task_named(configuration_.model.task), model.config, *model.processor, 1,
                              world_communicator(), [this](const std::string& line) { said_ += line + "\n"; });
  }
  std::string refusal() {
    try {
      (void)prepare();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  void draw(const std::string& name, std::uint32_t seed) const {
    fs::create_directories((folder_ / name).parent_path());
    write_png(folder_ / name, striped_picture(20, 16, seed, true));
  }
  void list(const std::string& name, std::string_view content) const { write_file_atomically(folder_ / name, content); }

  fs::path folder_;
  Configuration configuration_;
  std::string said_;
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "in: " << (text)

TEST_F(ImageDataTest, ReadsFoldersOfClasses) {
  const RunData data = prepare();
  EXPECT_EQ(data.labels.names(), (std::vector<std::string>{"flat", "upright"}));
  ASSERT_NE(data.images.train, nullptr);
  EXPECT_EQ(data.training().rows(), 12);
  EXPECT_EQ(data.training().cost(0), 17) << "16 patches and a class token";
  EXPECT_EQ(std::count(data.images.train->listed().classes.begin(), data.images.train->listed().classes.end(), 0), 6);
  EXPECT_TRUE(data.training().is_transformed()) << "training pictures are augmented by default";
  EXPECT_EQ(data.validation_rows().rows(), 0);
  ASSERT_EQ(data.files.size(), 1U);
  EXPECT_EQ(data.files[0].rows, 12);
  if (world_communicator().rank() == 0) {
    EXPECT_SAYS(said_, "PNG");
  }
}

TEST_F(ImageDataTest, SplitsWholeGroupsOff) {
  std::string rows = "image,label,patient\n";
  for (int i = 0; i < 60; ++i) {
    const std::string name = "scans/" + std::to_string(i) + ".png";
    draw(name, 100 + static_cast<std::uint32_t>(i));
    rows += name + "," + (i % 2 == 0 ? "ill" : "well") + ",p" + std::to_string(i / 3) + "\n";
  }
  list("scans.csv", rows);
  configuration_.data.train = path("scans.csv");
  configuration_.data.group = "patient";
  configuration_.data.validation_fraction = 0.4;
  const RunData data = prepare();
  ASSERT_NE(data.images.validation, nullptr);
  EXPECT_EQ(data.train_rows().rows() + data.validation_rows().rows(), 60);
  EXPECT_GT(data.validation_rows().rows(), 0);
  std::vector<std::string> both = data.images.train->listed().group_names;
  const std::vector<std::string>& held_out = data.images.validation->listed().group_names;
  both.insert(both.end(), held_out.begin(), held_out.end());
  std::sort(both.begin(), both.end());
  EXPECT_EQ(std::adjacent_find(both.begin(), both.end()), both.end()) << "no patient in both";
  EXPECT_FALSE(data.validation_rows().is_transformed());
  EXPECT_EQ(data.train_rows().groups().size(), static_cast<std::size_t>(data.train_rows().rows()));
}

TEST_F(ImageDataTest, RefusesAGroupInTwoSets) {
  for (const char* name : {"a", "b", "c", "d"}) draw(std::string(name) + ".png", static_cast<std::uint32_t>(*name));
  list("train.csv", "image,label,patient\na.png,ill,7\nb.png,well,8\n");
  list("test.csv", "image,label,patient\nc.png,ill,9\nd.png,well,7\n");
  configuration_.data.train = path("train.csv");
  configuration_.data.test = path("test.csv");
  configuration_.data.group = "patient";
  EXPECT_SAYS(refusal(), "the group \"7\" is in the training set and in the test set");
  configuration_.data.group.clear();
  EXPECT_EQ(refusal(), "");
}

TEST_F(ImageDataTest, RefusesAPictureInTwoClassesAndTellsOfOneInTwoSets) {
  testing_support::write_picture_classes(folder_ / "test", 3, 2);
  configuration_.data.test = path("test");
  fs::copy_file(folder_ / "train/flat/00.png", folder_ / "test/flat/99.png");
  const RunData data = prepare();
  if (world_communicator().rank() == 0) {
    const auto found = std::find_if(data.findings.begin(), data.findings.end(),
                                    [](const Finding& finding) { return finding.name == "overlap"; });
    ASSERT_NE(found, data.findings.end());
    EXPECT_EQ(found->value, 1.0);
  }
  fs::copy_file(folder_ / "train/flat/00.png", folder_ / "train/upright/99.png");
  EXPECT_SAYS(refusal(), "are the same picture, byte by byte");
}

TEST_F(ImageDataTest, NamesAFileThatIsNoPictureOnAllRanks) {
  list("train/upright/05.png", "<html>not found</html>");
  EXPECT_SAYS(refusal(), "upright/05.png");
  configuration_.images.unreadable = "skip";
  EXPECT_EQ(refusal(), "");
}

TEST_F(ImageDataTest, RefusesASizeThatTheModelCannotTake) {
  configuration_.images.size = 18;
  EXPECT_SAYS(refusal(), "images.size");
  configuration_.images.size = 24;
  EXPECT_EQ(prepare().training().cost(0), 37);
}

TEST_F(ImageDataTest, ReadsSeveralLabelsAndNumbers) {
  draw("1.png", 1);
  draw("2.png", 2);
  list("train.jsonl", R"({"image": "1.png", "label": ["mass", "nodule"], "age": 61}
{"image": "2.png", "label": [], "age": 47.5}
)");
  configuration_.data.train = path("train.jsonl");
  configuration_.model.task = "image-multi-label";
  const RunData data = prepare();
  EXPECT_EQ(data.images.train->listed().targets, (std::vector<float>{1, 1, 0, 0}));
  configuration_.model.task = "image-regression";
  configuration_.data.label = OneOrMore("age");
  EXPECT_EQ(prepare().images.train->listed().targets, (std::vector<float>{61, 47.5}));
}

TEST_F(ImageDataTest, NamesTheLinesOfMissingFiles) {
  draw("1.png", 1);
  std::string rows = "image,label\n1.png,ill\n";
  for (int i = 0; i < 7; ++i) rows += "lost-" + std::to_string(i) + ".png,well\n";
  list("train.csv", rows);
  configuration_.data.train = path("train.csv");
  const std::string refused = refusal();
  // Each rank has a folder of its own here.
  EXPECT_SAYS(refused, "train.csv, line 3: ");
  EXPECT_SAYS(refused, "lost-0.png: no such file; 7 of 8 listed pictures are missing");
  EXPECT_SAYS(refused, "train.csv, line 4: ");
  EXPECT_SAYS(refused, "lost-1.png");
}

TEST_F(ImageDataTest, SaysWhichFolderIsNoClass) {
  testing_support::write_picture_classes(folder_ / "test", 2, 2);
  fs::rename(folder_ / "test/upright", folder_ / "test/Upright");
  configuration_.data.test = path("test");
  EXPECT_SAYS(refusal(), "the folder " + path("test/Upright") + " is no class of the training set");
  configuration_.data.test = OneOrMore();
  configuration_.model.task = "image-regression";
  EXPECT_SAYS(refusal(), "this task needs numbers");
  configuration_.model.task = "image-classification";
  configuration_.data.train = path("train/flat");
  EXPECT_SAYS(refusal(), "expected one folder per class");
}

TEST_F(ImageDataTest, DecodesEverythingWhereItSkips) {
  std::string damaged = read_text_file(folder_ / "train/flat/03.png");
  damaged.resize(damaged.size() / 2);
  list("train/flat/03.png", damaged);
  configuration_.images.unreadable = "skip";
  EXPECT_EQ(prepare().images.train_unreadable, 1);
  if (world_communicator().rank() == 0) {
    EXPECT_SAYS(said_, "flat/03.png");
    EXPECT_SAYS(said_, "1 of the 12 pictures of the training set cannot be read");
  }
}

TEST_F(ImageDataTest, KnowsWhatItSkipsByNothing) {
  for (const char* name : {"train/flat/03.png", "train/upright/03.png"}) list(name, "no picture at all");
  configuration_.images.unreadable = "skip";
  const RunData data = prepare();
  EXPECT_EQ(data.images.train_unreadable, 2) << "the same bytes in two classes, but no picture";
  EXPECT_TRUE(data.images.train->is_unreadable(3)) << "on every rank";
  EXPECT_TRUE(std::none_of(data.findings.begin(), data.findings.end(),
                           [](const Finding& finding) { return finding.name == "duplicates"; }));
  fs::rename(folder_ / "train", folder_ / "moved");
  configuration_.data.train = path("moved");
  EXPECT_EQ(prepare().files[0].pictures_sha256, data.files[0].pictures_sha256);
}

TEST(PictureAgreement, IsAskedForBeforeRowsAreShared) {
  Communicator& world = world_communicator();
  Table others{"scans", {"image"}, {{"a.png"}, {"b.png"}}, {1, 2}};
  others.of_pictures = true;
  require_same_pictures(HeldTable(others), world);
  if (world.rank() == 0) others.rows[1][0] = "c.png";
  std::string told;
  try {
    require_same_pictures(HeldTable(others), world);
  } catch (const Error& error) {
    told = error.what();
  }
  EXPECT_EQ(told.find("scans: ranks find other pictures") == 0, world.size() > 1) << told;
}

TEST_F(ImageDataTest, NamesThePairOfEqualPictures) {
  testing_support::write_picture_classes(folder_ / "test", 3, 2);
  configuration_.data.test = path("test");
  fs::copy_file(folder_ / "train/flat/00.png", folder_ / "test/flat/99.png");
  fs::copy_file(folder_ / "train/flat/01.png", folder_ / "train/flat/98.png");
  const RunData data = prepare();
  if (world_communicator().rank() != 0) return;
  std::string told;
  for (const Finding& finding : data.findings) told += finding.sentence + "\n";
  EXPECT_SAYS(told, path("test/flat/99.png") + " is " + path("train/flat/00.png"));
  EXPECT_SAYS(told, path("train/flat/98.png") + " is " + path("train/flat/01.png"));
}

}  // namespace
}  // namespace temper
