#include "base/available_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

class AvailableMemory : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  [[nodiscard]] std::int64_t found() const { return available_bytes(root_); }

  testing_support::TemporaryFolder folder_;
  std::filesystem::path root_ = folder_.path();
};

constexpr const char* kMeminfo = "MemTotal:       24000 kB\nMemFree:  10 kB\nMemAvailable:   8000 kB\nBuffers:  5 kB\n";

TEST_F(AvailableMemory, IsWhatTheSystemSays) {
  write("proc/meminfo", kMeminfo);
  EXPECT_EQ(found(), 8000 * 1024);
}

TEST_F(AvailableMemory, IsNoneWhereTheSystemSaysNothing) { EXPECT_EQ(found(), 0); }

TEST_F(AvailableMemory, IsLessWhereAGroupAboveHasATighterLimit) {
  write("proc/meminfo", kMeminfo);
  write("proc/self/cgroup", "0::/job/step\n");
  write("sys/fs/cgroup/job/step/memory.max", "max\n");
  write("sys/fs/cgroup/job/step/memory.current", "100\n");
  EXPECT_EQ(found(), 8000 * 1024);
  write("sys/fs/cgroup/job/memory.max", "5000\n");
  write("sys/fs/cgroup/job/memory.current", "3000\n");
  write("sys/fs/cgroup/job/memory.stat", "anon 1000\nfile_mapped 1500\nfile 1800\nshmem 300\n");
  EXPECT_EQ(found(), 5000 - (3000 - 1800 + 300)) << "shared memory is no file that could be read again";
}

TEST_F(AvailableMemory, KnowsTheFirstVersionOfGroups) {
  write("proc/meminfo", kMeminfo);
  write("proc/self/cgroup", "12:cpu,cpuacct:/other\n9:memory:/job\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "7000\n");
  write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "6500\n");
  write("sys/fs/cgroup/memory/job/memory.stat", "cache 1\ntotal_cache 500\n");
  EXPECT_EQ(found(), 1000);
}

TEST_F(AvailableMemory, IsNeverBelowNothing) {
  write("proc/meminfo", kMeminfo);
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "100\n");
  write("sys/fs/cgroup/memory.current", "300\n");
  EXPECT_EQ(found(), 0);
}

TEST(AvailableMemoryHere, IsSomething) { EXPECT_GT(available_bytes(), 0); }

}  // namespace
}  // namespace temper
