#include "base/allowed_cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

namespace temper {
namespace {

namespace fs = std::filesystem;

TEST(AllowedCpus, AreThoseOfTheAffinity) {
  // Of a thread of its own, so that no other test is bound.
  std::thread([] {
    const std::vector<std::uint64_t> all = allowed_cpus();
    ASSERT_FALSE(all.empty());
    const int last = static_cast<int>(64 * (all.size() - 1)) + std::bit_width(all.back()) - 1;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    std::vector<std::uint64_t> expected(all.size());
    expected.back() = std::uint64_t{1} << last % 64;
    EXPECT_EQ(allowed_cpus(), expected);
  }).join();
}

class CpuTimeLimits : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "temper-groups-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }
  /// The smallest.
  std::optional<double> limit() const {
    std::optional<double> smallest;
    for (const CpuTimeLimit& one : cpu_time_limits(folder_ / "groups", folder_ / "mount"))
      smallest = std::min(smallest.value_or(one.cpus), one.cpus);
    return smallest;
  }

  fs::path folder_;
};

TEST_F(CpuTimeLimits, AreThoseOnTheWayToTheRoot) {
  EXPECT_FALSE(limit().has_value());
  write("groups", "0::/jobs/job_25/step_0\n");
  EXPECT_FALSE(limit().has_value());
  write("mount/jobs/job_25/step_0/cpu.max", "max 100000\n");
  EXPECT_FALSE(limit().has_value());
  write("mount/jobs/job_25/cpu.max", "150000 100000\n");
  write("mount/jobs/cpu.max", "400000 100000\n");
  EXPECT_EQ(limit(), 1.5);
  write("mount/cpu.max", "50000 100000\n");
  EXPECT_EQ(limit(), 0.5);
}

TEST_F(CpuTimeLimits, NameTheirGroups) {
  write("groups", "0::/jobs/a\n");
  write("others", "0::/jobs/b\n");
  write("mount/jobs/cpu.max", "400000 100000\n");
  write("mount/jobs/a/cpu.max", "150000 100000\n");
  write("mount/jobs/b/cpu.max", "150000 100000\n");
  const auto a = cpu_time_limits(folder_ / "groups", folder_ / "mount");
  const auto b = cpu_time_limits(folder_ / "others", folder_ / "mount");
  ASSERT_EQ(a.size(), 2U);
  ASSERT_EQ(b.size(), 2U);
  EXPECT_NE(a[0].group, b[0].group);
  EXPECT_EQ(a[1].group, b[1].group);
}

TEST_F(CpuTimeLimits, AreReadOfTheFirstVersionToo) {
  write("groups", "4:memory:/x\n3:cpu,cpuacct:/x\n2:cpuset:/x\n");
  write("mount/cpu/x/cpu.cfs_quota_us", "-1\n");
  write("mount/cpu/x/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(limit().has_value());
  write("mount/cpu/cpu.cfs_quota_us", "300000\n");
  write("mount/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limit(), 3.0);
}

}  // namespace
}  // namespace temper
