#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/error.h"
#include "base/hdf5_handle.h"
#include "base/mapped_file.h"
#include "base/positioned_file.h"

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

// To open a pipe would wait for a writer without end; no reader is to.
TEST_F(Files, WhatIsNoFileIsNamedAndNotWaitedFor) {
  const std::filesystem::path fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::filesystem::create_symlink("fifo", folder_ / "link");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string socket_path = (folder_ / "socket").string();
  ASSERT_LT(socket_path.size(), sizeof(address.sun_path));
  std::copy(socket_path.begin(), socket_path.end(), address.sun_path);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  struct Kind {
    std::filesystem::path path;
    std::string sentence;
  };
  const std::string remedy = "; write what comes out of it into a file, and name that";
  for (const auto& [path, kind] :
       {Kind{fifo, "is a pipe, expected a file" + remedy},
        Kind{folder_ / "link", "is a pipe, expected a file" + remedy},
        Kind{socket_path, "is a socket, expected a file"}, Kind{"/dev/null", "is a device, expected a file"},
        Kind{folder_, "is a directory, expected a file"}}) {
    const std::string expected = path.string() + ": " + kind;
    EXPECT_EQ(sentence_of([&, &at = path] { MappedFile file(at); }), expected);
    EXPECT_EQ(sentence_of([&, &at = path] { PositionedFile file(at, PositionedFile::Mode::read); }), expected);
    EXPECT_EQ(sentence_of([&, &at = path] { open_hdf5(at); }), expected);
  }
  ::close(socket);
}

// As <(command) and /dev/stdin behind a pipe are named.
TEST_F(Files, APipeThatIsBeingWrittenIsRefusedToo) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], "text", 4), 4);
  const std::string name = "/dev/fd/" + std::to_string(ends[0]);
  EXPECT_NE(sentence_of([&] { read_text_file(name); }).find("is a pipe, expected a file"), std::string::npos);
  for (const int end : ends) ::close(end);
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

TEST_F(Files, ALinkIsFollowedAndStaysOne) {
  write_file_atomically(folder_ / "text", "one");
  std::filesystem::create_directory(folder_ / "links");
  std::filesystem::create_symlink("../text", folder_ / "links" / "near");
  std::filesystem::create_symlink("links/near", folder_ / "far");
  write_file_atomically(folder_ / "far", "two");
  EXPECT_EQ(read_text_file(folder_ / "text"), "two");
  for (const char* link : {"far", "links/near"}) EXPECT_TRUE(std::filesystem::is_symlink(folder_ / link)) << link;
  // One that leads to nothing yet.
  std::filesystem::create_symlink("absent", folder_ / "empty");
  write_file_atomically(folder_ / "empty", "three");
  EXPECT_EQ(read_text_file(folder_ / "absent"), "three");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "empty"));
  std::filesystem::create_symlink("loop", folder_ / "loop");
  EXPECT_THROW(write_file_atomically(folder_ / "loop", "four"), Error);
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "loop"));
}

TEST_F(Files, AFifoIsWrittenInto) {
  const std::filesystem::path fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::filesystem::create_symlink("fifo", folder_ / "link");
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  write_file_atomically(fifo, "one ");
  write_file_atomically(folder_ / "link", "two");
  std::string read(16, ' ');
  const ssize_t count = ::read(reader, read.data(), read.size());
  ::close(reader);
  ASSERT_GE(count, 0);
  EXPECT_EQ(read.substr(0, static_cast<std::size_t>(count)), "one two");
  EXPECT_TRUE(std::filesystem::is_fifo(fifo)) << "was renamed over";
  EXPECT_FALSE(std::filesystem::exists(folder_ / "fifo.partial"));
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
