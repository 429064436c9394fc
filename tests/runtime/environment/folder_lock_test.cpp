#include "runtime/environment/folder_lock.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/runtime/shared_test_folder.h"

namespace temper {
namespace {

using namespace std::chrono_literals;

/// Alone: a lock is one process's affair. Under mpirun each rank has a folder of its own.
class FolderLockTest : public testing_support::SharedFolderTest {
 protected:
  void SetUp() override {
    SharedFolderTest::SetUp();
    place_ = folder_ / std::to_string(world_.rank());
    std::filesystem::create_directories(place_);
  }
  [[nodiscard]] std::filesystem::path file() const { return place_ / "run.lock"; }
  static void quiet(const std::string&) {}
  [[nodiscard]] std::string second_start() const {
    return refusal([&] { const FolderLock second(place_, "", quiet, kQuick); }).what();
  }
  /// run.lock as a run leaves it that was killed.
  void leave(const std::function<void(nlohmann::json&)>& edit) const {
    std::string text;
    std::filesystem::remove(file());
    {
      const FolderLock lock(place_, "", quiet, kQuick);
      text = read(file());
    }
    nlohmann::json owner = nlohmann::json::parse(text);
    edit(owner);
    write(file(), owner.dump());
  }

  static constexpr FolderLockTiming kQuick{20ms, 300ms, 10ms, 200ms, 50ms};
  std::filesystem::path place_;
};

TEST_F(FolderLockTest, NamesItsHolderAndGoesWithIt) {
  {
    const FolderLock lock(place_, "Slurm job 25", quiet, kQuick);
    const std::string sentence = second_start();
    for (const std::string& part : {place_.string(), std::string("in use"), "process " + std::to_string(getpid()),
                                    "on " + host_name(), std::string("Slurm job 25"), std::string("since 20")})
      EXPECT_NE(sentence.find(part), std::string::npos) << part << " in: " << sentence;
    EXPECT_TRUE(std::filesystem::exists(file())) << "a refused start takes nothing away";
    EXPECT_NE(second_start(), "");
  }
  EXPECT_TRUE(std::filesystem::is_empty(place_));
  EXPECT_EQ(second_start(), "");
}

TEST_F(FolderLockTest, OfAKilledProcessIsFree) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const FolderLock lock(place_, "", quiet, kQuick);
    pause();
    _exit(0);
  }
  while (!std::filesystem::exists(file()) || read(file()).empty()) usleep(1000);
  EXPECT_NE(second_start().find("process " + std::to_string(child)), std::string::npos);
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(std::filesystem::exists(file())) << "it had no time to remove it";
  EXPECT_EQ(second_start(), "");
}

TEST_F(FolderLockTest, AHolderWhoseParentIsGoneIsWaitedFor) {
  // As a rank outlives its mpirun.
  const auto is_held = [&] { return std::filesystem::exists(file()) && !read(file()).empty(); };
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    if (fork() == 0) {
      const FolderLock lock(place_, "", quiet, kQuick);
      usleep(300'000);
    } else {
      while (!is_held()) usleep(1000);
    }
    _exit(0);
  }
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  FolderLockTiming patient = kQuick;
  patient.ending = 20s;
  EXPECT_EQ(refusal([&] { const FolderLock second(place_, "", quiet, patient); }).what(), std::string());
}

TEST_F(FolderLockTest, WithoutLocksTheHolderIsKnownByItsLife) {
  // As on a file system whose locks fail: nobody holds one, the file alone speaks.
  leave([](nlohmann::json&) {});
  EXPECT_NE(second_start().find("process " + std::to_string(getpid())), std::string::npos);
  leave([](nlohmann::json& owner) { owner["process"]["started"] = 1; });
  EXPECT_EQ(second_start(), "");
}

TEST_F(FolderLockTest, AHolderOnAnotherHostIsKnownByItsSignsOfLife) {
  const auto elsewhere = [](nlohmann::json& owner) {
    owner["process"]["host"] = "h2";
    owner["process"]["boot"] = "another";
  };
  leave(elsewhere);
  std::string said;
  {
    const FolderLock lock(
        place_, "", [&](const std::string& text) { said += text; }, kQuick);
  }
  EXPECT_NE(said.find("h2"), std::string::npos) << "a run that gave no sign is over: " << said;

  leave(elsewhere);
  const std::string text = read(file());
  std::jthread other([&](const std::stop_token& stop) {
    nlohmann::json owner = nlohmann::json::parse(text);
    while (!stop.stop_requested()) {
      owner["beats"] = owner["beats"].get<int>() + 1;
      write(file().string() + ".new", owner.dump());
      std::filesystem::rename(file().string() + ".new", file());
      std::this_thread::sleep_for(10ms);
    }
  });
  EXPECT_NE(second_start().find("on h2"), std::string::npos);
}

TEST_F(FolderLockTest, GivesSignsOfLife) {
  const FolderLock lock(place_, "", quiet, kQuick);
  const auto beats = [&] { return nlohmann::json::parse(read(file()))["beats"].get<int>(); };
  const int before = beats();
  for (int i = 0; i < 5000 && beats() == before; ++i) usleep(1000);
  EXPECT_GT(beats(), before);
}

TEST_F(FolderLockTest, AFileThatNamesNobodyIsFree) {
  for (const char* content : {"", "{", "[]", "{\"process\": 3}"}) {
    write(file(), content);
    EXPECT_EQ(second_start(), "") << content;
  }
}

TEST_F(FolderLockTest, LeavesNoFileWhereItsNameCannotBeWritten) {
  std::string sentence;
  {
    const testing_support::NoRoomInFiles full;
    sentence = second_start();
  }
  EXPECT_NE(sentence.find("cannot be written"), std::string::npos) << sentence;
  EXPECT_TRUE(std::filesystem::is_empty(place_));
}

TEST_F(FolderLockTest, ALockOfAnotherProgramIsRefusedWithoutAName) {
  const int descriptor = ::open(file().c_str(), O_RDWR | O_CREAT, 0666);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(descriptor, F_OFD_SETLK, &whole), 0);
  EXPECT_NE(second_start().find("in use by another run"), std::string::npos);
  ::close(descriptor);
  EXPECT_EQ(second_start(), "");
}

}  // namespace
}  // namespace temper
