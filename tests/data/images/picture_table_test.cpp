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
  const std::vector<std::string> notes = unread_picture_notes(std::span(&set, 1));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_HAS(notes[0], "2 files are of no format that is read, and passed over: a/.hidden.png (hidden), a/notes.txt");
}

TEST_F(PictureTable, KnowsFilesByHowTheyBegin) {
  const std::string png = "\x89PNG\r\n\x1A\n and what follows";
  touch("set/a/1.png");
  (void)folder_.file("set/a/IM0001", png);
  (void)folder_.file("set/a/scan.dat", png);
  (void)folder_.file("set/a/old.bmp", std::string("BM\x10\0\0\0\0\0\0\0", 10));
  (void)folder_.file("set/a/BMI.txt", "BMI,age");
  std::filesystem::create_symlink("nowhere.png", path("set/a/lost.png"));
  const auto table = opened(path("set"));
  EXPECT_EQ(rows_of(*table), (TextRows{{"a/1.png", "a"}, {"a/IM0001", "a"}, {"a/scan.dat", "a"}}));
  const std::string set = path("set");
  const std::string note = unread_picture_notes(std::span(&set, 1)).at(0);
  EXPECT_HAS(note, "3 files");
  EXPECT_HAS(note, "a/old.bmp (a BMP picture)");
  EXPECT_HAS(note, "a/lost.png (a link that leads nowhere)");
  EXPECT_EQ(note.find("BMI.txt ("), std::string::npos) << note;
  EXPECT_EQ(rows_of(*opened(path("set/a/IM0001"))), (TextRows{{path("set/a/IM0001")}}));
  EXPECT_HAS(error_of([&] { (void)opened(path("set/a/old.bmp")); }), "found a BMP picture; expected a picture (PNG");
  EXPECT_HAS(error_of([&] { (void)opened(path("set/lost")); }), "no such file or folder");
  std::filesystem::create_symlink("nowhere", path("set/a/astray"));
  EXPECT_HAS(error_of([&] { (void)opened(path("set/a/astray")); }), "is a link that leads nowhere, to nowhere");
}

TEST_F(PictureTable, ExpandsPatternsOfAnyFiles) {
  const std::string png = "\x89PNG\r\n\x1A\n and what follows";
  (void)folder_.file("scans-1", png);
  (void)folder_.file("scans-2.png", png);
  EXPECT_EQ(rows_of(*opened(path("scans*"))), (TextRows{{path("scans-1")}, {path("scans-2.png")}}));
  (void)folder_.file("other", std::string(600, 'x'));
  EXPECT_HAS(error_of([&] { (void)opened(path("oth*")); }), "found 600 bytes that begin with 78");
  (void)folder_.file("blank", std::string(600, '\0'));
  EXPECT_HAS(error_of([&] { (void)opened(path("blank")); }), "found 600 bytes, the first 512 of them zero");
}

TEST_F(PictureTable, SaysThatItPassesHiddenFoldersOver) {
  touch("set/ill/1.png");
  touch("set/__other/2.png");
  touch("set/.ipynb_checkpoints/3.png");
  EXPECT_EQ(rows_of(*opened(path("set"))), (TextRows{{"ill/1.png", "ill"}}));
  const std::string set = path("set");
  const std::string note = unread_picture_notes(std::span(&set, 1)).at(0);
  EXPECT_HAS(note, "1 file is of no format that is read, and passed over: __other (a folder whose name");
}

TEST_F(PictureTable, DoesNotFollowLinksInCircles) {
  touch("set/a/1.png");
  std::filesystem::create_directory_symlink("..", path("set/a/up"));
  touch("elsewhere/2.png");
  std::filesystem::create_directory_symlink("../../elsewhere", path("set/a/other"));
  EXPECT_EQ(rows_of(*opened(path("set"))), (TextRows{{"a/1.png", "a"}, {"a/other/2.png", "a"}}));
  const std::string set = path("set");
  EXPECT_HAS(unread_picture_notes(std::span(&set, 1)).at(0), "a/up (a link to a folder that it lies in)");
}

TEST_F(PictureTable, ReadsListsOfPaths) {
  (void)folder_.file("paths.txt", "scans/7.png\n\n/far/away.png\n");
  const auto table = opened(path("paths.txt"));
  EXPECT_EQ(table->head().columns, std::vector<std::string>{"image"});
  EXPECT_EQ(rows_of(*table), (TextRows{{"scans/7.png"}, {"/far/away.png"}}));
  EXPECT_EQ(picture_path(table->head(), 0, "scans/7.png").string(), path("scans/7.png"));
}

TEST_F(PictureTable, SaysOfFoldersWhatTheyLack) {
  touch("loose/1.png");
  EXPECT_HAS(error_of([&] { (void)column_index(opened(path("loose"))->head(), "label"); }),
             "expected one folder per class in it");
  touch("set/a/1.png");
  const auto table = opened(path("set"));
  EXPECT_HAS(error_of([&] { (void)column_index(table->head(), "patient"); }), "has no column \"patient\"");
  table->read(1, [&](Table& chunk, std::int64_t) {
    EXPECT_EQ(place_of(chunk, 0), path("set/a/1.png"));
    return true;
  });
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
