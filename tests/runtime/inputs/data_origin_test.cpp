#include "runtime/inputs/data_origin.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace temper {
namespace {

using Files = std::vector<DataFileLineage>;

/// What is said, and of which kind; empty where the files are the same.
std::pair<std::string, ErrorKind> origin_refusal(const Files& before, const Files& now) {
  try {
    require_same_data_files("c.h5", before, now);
  } catch (const Error& error) {
    return {error.what(), error.kind()};
  }
  return {};
}

const DataFileLineage kA{"train", "a.csv", "aa11", 3};
const DataFileLineage kB{"train", "b.csv", "bb22", 4};
const DataFileLineage kValidation{"validation", "v.csv", "dd44", 2};
const DataFileLineage kTest{"test", "t.csv", "cc33", 5};

TEST(DataOrigin, SameContentIsTheSameWhateverItsName) {
  EXPECT_EQ(origin_refusal({kA, kB}, {kA, kB}).first, "");
  EXPECT_EQ(origin_refusal({kA}, {{"train", "renamed.csv", "aa11", 3}}).first, "");
  EXPECT_EQ(origin_refusal({kA, kTest}, {kA}).first, "") << "a test file may change";
  EXPECT_EQ(origin_refusal({}, {kA}).first, "");
  EXPECT_EQ(origin_refusal({kA, kValidation}, {kA, {"validation", "renamed.csv", "dd44", 2}}).first, "");
  EXPECT_TRUE(same_content("validation", Files{kA, kValidation}, Files{{"validation", "renamed.csv", "dd44", 2}}));
  EXPECT_FALSE(same_content("validation", Files{kA, kValidation}, Files{{"validation", "v.csv", "dd55", 2}}));
  EXPECT_FALSE(same_content("test", Files{kA}, Files{kB})) << "neither has one";
}

TEST(DataOrigin, OtherRowsOfValidationAreRefused) {
  const auto [changed, failure] = origin_refusal({kA, kValidation}, {kA, {"validation", "v.csv", "dd55", 2}});
  EXPECT_NE(changed.find("was validated on another version of v.csv (its SHA-256 was dd44, now it is dd55)"),
            std::string::npos)
      << changed;
  EXPECT_EQ(failure, ErrorKind::failure);
  const auto [other, usage] = origin_refusal({kA, kValidation}, {kA, {"validation", "w.csv", "ee66", 2}});
  EXPECT_NE(
      other.find("was validated on v.csv (dd44), but data.validation names w.csv (ee66) (beginnings of their SHA-256"),
      std::string::npos)
      << other;
  EXPECT_EQ(usage, ErrorKind::usage);
}

TEST(DataOrigin, AnotherVersionOfAFileIsAFailure) {
  const auto [text, kind] = origin_refusal({kA, kB}, {kA, {"train", "b.csv", "bb99", 4}});
  EXPECT_NE(text.find("another version of b.csv (its SHA-256 was bb22, now it is bb99)"), std::string::npos) << text;
  EXPECT_EQ(kind, ErrorKind::failure);
}

TEST(DataOrigin, OtherPicturesAreToldFromAnotherList) {
  DataFileLineage then{"train", "list.csv", "aa11", 3};
  then.pictures_sha256 = "11";
  DataFileLineage now{"train", "list.csv", "aa22", 4};
  now.pictures_sha256 = "11";
  EXPECT_NE(origin_refusal({then}, {now}).first.find("another version of list.csv (its SHA-256 was aa11"), std::string::npos);
  now.pictures_sha256 = "22";
  const std::string text = origin_refusal({then}, {now}).first;
  EXPECT_NE(text.find("another version of list.csv: of its pictures, 3 rows then and 4 now"), std::string::npos)
      << text;
}

TEST(DataOrigin, TheSameFilesUnderOtherMixedNamesAreRefused) {
  const auto mixed = [](DataFileLineage file, std::int64_t name) {
    file.mixed_as = name;
    return file;
  };
  const DataFileLineage c{"train", "c.csv", "ee55", 1};
  const Files before{mixed(kA, 0), mixed(kB, 0), mixed(c, 1)};
  EXPECT_EQ(origin_refusal(before, before).first, "");
  const auto [text, kind] = origin_refusal(before, {mixed(kA, 0), mixed(kB, 1), mixed(c, 1)});
  EXPECT_NE(text.find("in these groups, each with its weight of data.train_weights: a.csv and b.csv; c.csv; now its "
                      "names group the same files as a.csv; b.csv and c.csv; name them as they were"),
            std::string::npos)
      << text;
  EXPECT_EQ(kind, ErrorKind::usage);
  EXPECT_EQ(origin_refusal({kA, kB, c}, before).first, "") << "older checkpoints do not tell";
}

TEST(DataOrigin, OtherFilesAreWrongUse) {
  const auto [text, kind] = origin_refusal({kA}, {kB});
  EXPECT_NE(text.find("was trained on a.csv (aa11), but data.train names b.csv (bb22) (beginnings of their SHA-256"),
            std::string::npos)
      << text;
  EXPECT_EQ(kind, ErrorKind::usage);
  EXPECT_EQ(origin_refusal({kA, kB}, {kA}).second, ErrorKind::usage);
  EXPECT_EQ(origin_refusal({kA}, {kA, kB}).second, ErrorKind::usage);
  EXPECT_NE(origin_refusal({kA, kB}, {kB, kA}).first.find("the same files in another order: a.csv (aa11), b.csv"),
            std::string::npos);
}

}  // namespace
}  // namespace temper
