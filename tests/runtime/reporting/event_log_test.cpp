#include "runtime/reporting/event_log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

using LogValues = std::vector<std::pair<std::string, double>>;

class EventLogFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-event-log-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    file_ = folder_ / "metrics.jsonl";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string text() const {
    std::ifstream stream(file_);
    std::stringstream out;
    out << stream.rdbuf();
    return out.str();
  }

  /// What a run writes in steps first ... last: an evaluation and a checkpoint every second step, a phase after it.
  static void run(EventLog& log, std::int64_t first, std::int64_t last) {
    for (std::int64_t step = first; step <= last; ++step) {
      log.write(step, "train", LogValues{{"loss", 1.0 / static_cast<double>(step)}});
      if (step % 2 != 0) continue;
      log.write(step, "evaluation", LogValues{{"accuracy", 0.1}});
      log.write(step, "checkpoint", LogValues{});
      log.write(step, "phase", LogValues{});
    }
  }

  std::filesystem::path folder_;
  std::filesystem::path file_;
};

TEST_F(EventLogFile, WritesOneObjectALine) {
  EventLog log(file_);
  log.write(40, "train", LogValues{{"loss", 4.875}, {"learning_rate", 0.1}});
  log.write(40, "end", LogValues{});
  EXPECT_EQ(text(), R"({"step":40,"kind":"train","loss":4.875,"learning_rate":0.1})"
                    "\n"
                    R"({"step":40,"kind":"end"})"
                    "\n");
}

TEST_F(EventLogFile, NotANumberStaysReadableJson) {
  EventLog log(file_);
  log.write(1, "train", LogValues{{"loss", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_TRUE(nlohmann::json::parse(text()).at("loss").is_null());
}

TEST_F(EventLogFile, ANewRunBeginsAnEmptyFile) {
  {
    EventLog log(file_);
    run(log, 1, 3);
  }
  EventLog log(file_);
  EXPECT_EQ(text(), "");
}

TEST_F(EventLogFile, AResumedRunWritesTheFileOfTheUninterruptedOne) {
  {
    EventLog log(file_);
    run(log, 1, 7);
  }
  const std::string uninterrupted = text();
  EventLog resumed(file_, 4);
  EXPECT_LT(text().size(), uninterrupted.size());
  resumed.write(4, "phase", LogValues{});
  run(resumed, 5, 7);
  EXPECT_EQ(text(), uninterrupted);
}

TEST_F(EventLogFile, ALineTornByACrashIsDropped) {
  std::ofstream(file_) << R"({"step":1,"kind":"train"})"
                       << "\n"
                       << R"({"step":2,"kind":"tr)";
  EventLog resumed(file_, 5);
  resumed.write(6, "train", LogValues{});
  EXPECT_EQ(text(), "{\"step\":1,\"kind\":\"train\"}\n{\"step\":6,\"kind\":\"train\"}\n");
}

TEST_F(EventLogFile, AResumedRunWithoutAFileBeginsOne) {
  EventLog resumed(file_, 5);
  resumed.write(6, "train", LogValues{});
  EXPECT_EQ(text(), "{\"step\":6,\"kind\":\"train\"}\n");
}

TEST_F(EventLogFile, AFileThatCannotBeOpenedIsNamed) {
  for (const std::optional<std::int64_t> resume_step :
       {std::optional<std::int64_t>(), std::optional<std::int64_t>(3)}) {
    try {
      EventLog log(folder_, resume_step);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), folder_.string() + ": cannot be opened for writing: Is a directory");
    }
  }
}

TEST_F(EventLogFile, AFullDiskIsTold) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "skipped: no /dev/full";
  EventLog log("/dev/full");
  try {
    log.write(1, "train", LogValues{});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/dev/full: cannot be written: No space left on device");
  }
}

}  // namespace
}  // namespace temper
