#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-files-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// The sentence of the Error that `action` throws.
  template <typename Action>
  static std::string sentence_of(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_;
};

TEST_F(Files, AMissingFileIsNamed) {
  const auto path = folder_ / "absent";
  const std::string sentence = sentence_of([&] { MappedFile file(path); });
  EXPECT_NE(sentence.find(path.string()), std::string::npos);
  EXPECT_NE(sentence.find("no such file"), std::string::npos);
}

TEST_F(Files, ADirectoryIsRefused) {
  EXPECT_NE(sentence_of([&] { MappedFile file(folder_); }).find("is a directory"), std::string::npos);
}

TEST_F(Files, AnEmptyFileIsRefused) {
  std::ofstream(folder_ / "empty").close();
  EXPECT_NE(sentence_of([&] { MappedFile file(folder_ / "empty"); }).find("empty"), std::string::npos);
}

TEST_F(Files, AWrittenFileIsReadBack) {
  write_file_atomically(folder_ / "text", "one");
  write_file_atomically(folder_ / "text", "two");
  EXPECT_EQ(read_text_file(folder_ / "text"), "two");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "text.partial"));
}

TEST_F(Files, AFailedWriteLeavesTheOldFile) {
  write_file_atomically(folder_ / "text", "one");
  EXPECT_THROW(write_file_atomically(folder_ / "absent" / "text", "two"), Error);
  EXPECT_EQ(read_text_file(folder_ / "text"), "one");
}

// FIPS 180-4 example: SHA-256("abc").
TEST_F(Files, Sha256MatchesTheStandardsExample) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  write_file_atomically(folder_ / "abc", "abc");
  EXPECT_EQ(sha256_file(folder_ / "abc"), sha256_hex("abc"));
}

TEST_F(Files, Sha256OfAFileIsReadInPiecesAndCanBeStopped) {
  std::string text((std::size_t{32} << 20) + 1, 'a');
  text[std::size_t{16} << 20] = 'b';
  write_file_atomically(folder_ / "large", text);
  const MappedFile file(folder_ / "large");
  std::stop_source stop;
  EXPECT_EQ(sha256_file(file, stop.get_token()), sha256_hex(text));
  stop.request_stop();
  EXPECT_EQ(sha256_file(file, stop.get_token()), "");
}

}  // namespace
}  // namespace temper
