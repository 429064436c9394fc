#include "data/images/picture_table.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_folder.h"
#include "tests/tiny_pictures.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::TemporaryFolder;
using TextRows = std::vector<std::vector<std::string>>;

TextRows rows_of(const TableSource& table) {
  TextRows rows;
  table.read(3, [&](Table& chunk, std::int64_t) {
    rows.insert(rows.end(), chunk.rows.begin(), chunk.rows.end());
    return true;
  });
  return rows;
}

std::unique_ptr<TableSource> opened(const std::string& name) { return open_picture_tables(std::span(&name, 1), {}); }

class PictureTable : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void touch(const std::string& name) const {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    (void)folder_.file(name, "x");
  }
  TemporaryFolder folder_;
};

TEST_F(PictureTable, TakesFoldersForClassesInTheOrderOfTheirPaths) {
  for (const char* name : {"set/b/2.png", "set/b/deep/1.JPG", "set/a/10.tif", "set/a/9.dcm", "set/a/1.2.840.7"})
    touch(name);
  touch("set/a/notes.txt");
  touch("set/a/.hidden.png");
  const auto table = opened(path("set"));
  EXPECT_EQ(table->head().columns, (std::vector<std::string>{"image", "label"}));
  EXPECT_EQ(
      rows_of(*table),
      (TextRows{{"a/1.2.840.7", "a"}, {"a/10.tif", "a"}, {"a/9.dcm", "a"}, {"b/2.png", "b"}, {"b/deep/1.JPG", "b"}}));
  const std::string set = path("set");
  EXPECT_EQ(unread_picture_notes(std::span(&set, 1)).size(), 1U);
}

TEST_F(PictureTable, FindsPicturesWhereTheirListSays) {
  touch("scans/7.png");
  (void)folder_.file("list.csv", "image,label\nscans/7.png,ill\n/far/away.png,well\n");
  const auto table = opened(path("list.csv"));
  Table head = table->head();
  EXPECT_EQ(picture_path(head, 0, "scans/7.png").string(), path("scans/7.png"));
  EXPECT_EQ(picture_path(head, 1, "/far/away.png").string(), "/far/away.png");
}

TEST_F(PictureTable, OfAFolderWithoutClassesHasNoLabels) {
  touch("loose/2.png");
  touch("loose/1.png");
  const auto table = opened(path("loose"));
  EXPECT_EQ(table->head().columns, std::vector<std::string>{"image"});
  EXPECT_EQ(rows_of(*table), (TextRows{{"1.png"}, {"2.png"}}));
  EXPECT_EQ(rows_of(*opened(path("loose/1.png"))), (TextRows{{path("loose/1.png")}}));
}

TEST_F(PictureTable, RefusesFoldersThatAreNotWhatTheySeem) {
  touch("beside/a/1.png");
  touch("beside/2.png");
  EXPECT_HAS(error_of([&] { (void)opened(path("beside")); }), "1 picture beside folders of classes");
  touch("hollow/a/1.png");
  std::filesystem::create_directories(path("hollow/b"));
  EXPECT_HAS(error_of([&] { (void)opened(path("hollow")); }), "hollow/b: holds no pictures");
  std::filesystem::create_directories(path("none"));
  EXPECT_HAS(error_of([&] { (void)opened(path("none")); }), "a folder without pictures");
  const std::vector<std::string> both{path("beside/a"), path("list.csv")};
  EXPECT_HAS(error_of([&] { (void)open_picture_tables(both, {}); }), "name one kind");
}

TEST_F(PictureTable, KnowsAFolderAgainByNamesAndSizes) {
  touch("set/a/1.png");
  const std::string before = digest_of_pictures(path("set"));
  EXPECT_EQ(digest_of_pictures(path("set")), before);
  (void)folder_.file("set/a/1.png", "longer");
  EXPECT_NE(digest_of_pictures(path("set")), before);
}

}  // namespace
}  // namespace temper
