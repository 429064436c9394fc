// A squeue of the test's own answers.
#include "launch/slurm_end.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace temper {
namespace {

namespace fs = std::filesystem;

/// What a program needs to start on a machine that is busy with others; and nothing that is waited for in vain.
constexpr double kLongSeconds = 60.0;

class SlurmEnd : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "temper-squeue-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_before_ = std::getenv("PATH");
    setenv("PATH", (folder_.string() + ":/usr/bin:/bin").c_str(), 1);
    setenv("SLURM_JOB_ID", "25", 1);
    setenv("SLURM_TIME_FORMAT", "relative", 1);
    job_.name = "Slurm job 25";
  }
  void TearDown() override {
    setenv("PATH", path_before_.c_str(), 1);
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_TIME_FORMAT");
    fs::remove_all(folder_);
  }
  /// The end that a squeue of this shell script tells; said_ is what is said of it.
  std::optional<std::chrono::system_clock::time_point> ask(const std::string& script, double seconds = kLongSeconds) {
    std::ofstream(folder_ / "squeue") << "#!/bin/sh\ncd " << folder_.string() << "\n" << script;
    fs::permissions(folder_ / "squeue", fs::perms::owner_all);
    said_.clear();
    return ask_slurm_for_end(
        job_, [&](const std::string& line) { said_ += line; }, seconds);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
  std::string path_before_;
  Job job_;
  std::string said_;
};

TEST_F(SlurmEnd, IsWhatSqueueTells) {
  const auto end = ask("echo \"$@\" \"$SLURM_TIME_FORMAT\" > log\necho 2026-11-29T23:15:00\n");
  std::tm time{};
  time.tm_year = 126;
  time.tm_mon = 10;
  time.tm_mday = 29;
  time.tm_hour = 23;
  time.tm_min = 15;
  time.tm_isdst = -1;
  EXPECT_EQ(end, std::chrono::system_clock::from_time_t(std::mktime(&time))) << said_;
  EXPECT_EQ(said_, "");
  EXPECT_EQ(read("log"), "--noheader --jobs 25 --format %e standard\n");
}

TEST_F(SlurmEnd, IsNoneWhereItTellsNone) {
  for (const char* answer : {"N/A", "NONE", "UNLIMITED"}) {
    EXPECT_FALSE(ask(std::string("echo ") + answer + "\n").has_value());
    EXPECT_EQ(said_, "");
  }
}

TEST_F(SlurmEnd, ThatIsNotToldIsSaid) {
  const std::string note = "when Slurm job 25 ends is not known (squeue: ";
  EXPECT_FALSE(ask("echo tomorrow\n").has_value());
  EXPECT_TRUE(said_.starts_with(note + "its answer is \"tomorrow\")")) << said_;
  EXPECT_FALSE(ask("exit 3\n").has_value());
  EXPECT_TRUE(said_.starts_with(note + "status 3)")) << said_;
  EXPECT_FALSE(ask("exec sleep 1000\n", 0.1).has_value());
  EXPECT_TRUE(said_.starts_with(note + "no answer within 0.1 s)")) << said_;
}

TEST_F(SlurmEnd, NothingIsAskedWhereItIsKnown) {
  job_.end = std::chrono::system_clock::now();
  EXPECT_FALSE(ask("echo asked > log\n").has_value());
  EXPECT_EQ(read("log"), "");
}

TEST_F(SlurmEnd, WhatSqueueStartedEndsWithIt) {
  // The fifo is open for writing as long as either lives, and reading it ends when both have gone.
  ASSERT_EQ(mkfifo((folder_ / "alive").c_str(), 0600), 0);
  const int fifo = ::open((folder_ / "alive").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(fifo, 0);
  // Long enough for the script to come to its end on a busy machine, and all the test waits for.
  EXPECT_FALSE(ask("exec 3> alive\necho begun >&3\nsleep 1000 &\nwait\n", 3.0).has_value());
  std::string text;
  while (true) {
    pollfd input{fifo, POLLIN, 0};
    ASSERT_GT(::poll(&input, 1, 60000), 0) << "a process that squeue has started is still there";
    char piece[64];
    const ssize_t count = ::read(fifo, piece, sizeof(piece));
    if (count <= 0) break;
    text.append(piece, static_cast<std::size_t>(count));
  }
  ::close(fifo);
  EXPECT_EQ(text, "begun\n");
}

}  // namespace
}  // namespace temper
