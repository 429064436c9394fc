#include "runtime/inputs/data_origin.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace temper {
namespace {

using Files = std::vector<DataFileLineage>;

/// What is said, and of which kind; empty where the files are the same.
std::pair<std::string, ErrorKind> refusal(const Files& before, const Files& now) {
  try {
    require_same_training_files("c.h5", before, now);
  } catch (const Error& error) {
    return {error.what(), error.kind()};
  }
  return {};
}

const DataFileLineage kA{"train", "a.csv", "aa11", 3};
const DataFileLineage kB{"train", "b.csv", "bb22", 4};
const DataFileLineage kTest{"test", "t.csv", "cc33", 5};

TEST(DataOrigin, SameContentIsTheSameWhateverItsName) {
  EXPECT_EQ(refusal({kA, kB}, {kA, kB}).first, "");
  EXPECT_EQ(refusal({kA}, {{"train", "renamed.csv", "aa11", 3}}).first, "");
  EXPECT_EQ(refusal({kA, kTest}, {kA}).first, "") << "a test file may change";
  EXPECT_EQ(refusal({}, {kA}).first, "");
}

TEST(DataOrigin, AnotherVersionOfAFileIsAFailure) {
  const auto [text, kind] = refusal({kA, kB}, {kA, {"train", "b.csv", "bb99", 4}});
  EXPECT_NE(text.find("another version of b.csv (its SHA-256 was bb22, now it is bb99)"), std::string::npos) << text;
  EXPECT_EQ(kind, ErrorKind::failure);
}

TEST(DataOrigin, OtherFilesAreWrongUse) {
  const auto [text, kind] = refusal({kA}, {kB});
  EXPECT_NE(text.find("was trained on a.csv (aa11) (by SHA-256), but data.train names b.csv (bb22)"), std::string::npos)
      << text;
  EXPECT_EQ(kind, ErrorKind::usage);
  EXPECT_EQ(refusal({kA, kB}, {kA}).second, ErrorKind::usage);
  EXPECT_EQ(refusal({kA}, {kA, kB}).second, ErrorKind::usage);
  EXPECT_NE(refusal({kA, kB}, {kB, kA}).first.find("the same files in another order: a.csv (aa11), b.csv"),
            std::string::npos);
}

}  // namespace
}  // namespace temper
