#include "runtime/reporting/trace_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "tests/world.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using Track = Timeline::Track;

/// A path that all ranks agree on.
std::filesystem::path agreed_path() {
  std::int64_t number = ::getpid();
  world_communicator().broadcast(std::as_writable_bytes(std::span(&number, 1)), 0);
  return std::filesystem::temp_directory_path() / ("temper-trace-" + std::to_string(number) + ".json");
}

TEST(TraceFile, HoldsTheSpansOfAllRanks) {
  Communicator& world = world_communicator();
  Timeline timeline(100);
  timeline.start();
  { const TimelineScope step(&timeline, Track::steps, "step", 7); }
  // Each rank has another number of spans.
  for (int i = 0; i <= world.rank(); ++i) const TimelineScope call(&timeline, Track::kernels, "matmul");
  timeline.stop();
  const std::filesystem::path file = agreed_path();
  write_trace(file, timeline, world, "a \"note\"");
  if (world.rank() == 0) {
    const Json json = Json::parse(read_text_file(file));
    EXPECT_EQ(json["otherData"]["note"], "a \"note\"");
    std::map<int, int> kernels;
    std::map<int, std::set<std::string>> threads;
    for (const Json& event : json["traceEvents"]) {
      const int rank = event["pid"];
      if (event["ph"] == "M") {
        if (event["name"] == "thread_name") threads[rank].insert(event["args"]["name"]);
        continue;
      }
      EXPECT_EQ(event["ph"], "X");
      EXPECT_GE(event["ts"], 0.0);
      EXPECT_GE(event["dur"], 0.0);
      if (event["name"] == "matmul") ++kernels[rank];
      if (event["name"] != "matmul") {
        EXPECT_EQ(event["name"], "step 7");
      }
    }
    ASSERT_EQ(kernels.size(), static_cast<std::size_t>(world.size()));
    for (const auto& [rank, count] : kernels) EXPECT_EQ(count, rank + 1);
    for (const auto& [rank, names] : threads) EXPECT_EQ(names.size(), 6U) << rank;
    std::filesystem::remove(file);
  }
  world.barrier();
}

TEST(TraceFile, SaysWhereItCannotBeWritten) {
  Communicator& world = world_communicator();
  Timeline timeline(1);
  if (world.rank() != 0) {
    write_trace("/nowhere/at/all.json", timeline, world, "");
    return;
  }
  try {
    write_trace("/nowhere/at/all.json", timeline, world, "");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/at/all.json"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace temper
