#include "runtime/environment/node_cores.h"

#include <gtest/gtest.h>

#include "tests/world.h"

namespace temper {
namespace {

TEST(NodeCores, CountTheRanksOfEachNode) {
  Communicator& world = world_communicator();
  const std::vector<NodeCores> nodes = cores_of_nodes(world);
  ASSERT_EQ(static_cast<int>(nodes.size()), world.topology().nodes);
  const NodeCores& mine = nodes[static_cast<std::size_t>(world.topology().node)];
  EXPECT_EQ(mine.ranks, world.topology().local_size);
  EXPECT_EQ(mine.host, world.host_name(world.rank()));
  EXPECT_GE(mine.cores, 1);
}

TEST(NodeCores, RanksShareWhatAnyOfThemMayUse) {
  EXPECT_EQ(cores_together({{{0b0011}, {}}, {{0b0110}, {}}}), 3);
  EXPECT_EQ(cores_together({{{0}, {}}, {{0, 1}, {}}}), 1);
  EXPECT_EQ(cores_together({{{}, {}}}), 0) << "not known";
}

TEST(NodeCores, LimitsOfTimeAreSummedOverGroups) {
  const std::vector<std::uint64_t> cpus{0xFFFF};
  const CpuTimeLimit job{{1, 1}, 6.0};
  const CpuTimeLimit first{{1, 2}, 2.5};
  const CpuTimeLimit second{{1, 3}, 2.5};
  EXPECT_EQ(cores_together({{cpus, {job}}, {cpus, {job}}}), 6) << "one group of both";
  EXPECT_EQ(cores_together({{cpus, {first}}, {cpus, {second}}}), 5) << "a group each";
  EXPECT_EQ(cores_together({{cpus, {first}}, {cpus, {first}}, {cpus, {second}}}), 5);
  EXPECT_EQ(cores_together({{cpus, {first}}, {cpus, {}}}), 16) << "only one is limited";
  EXPECT_EQ(cores_together({{cpus, {first, {{1, 1}, 4.0}}}, {cpus, {second, {{1, 1}, 4.0}}}}), 4)
      << "within one that is less";
  EXPECT_EQ(cores_together({{cpus, {first, job}}, {cpus, {job}}}), 6);
  EXPECT_EQ(cores_together({{cpus, {{{1, 4}, 0.5}}}}), 1);
}

TEST(NodeCores, GiveAllRanksAsManyThreads) {
  Communicator& world = world_communicator();
  const int threads = default_threads(world);
  EXPECT_GE(threads, 1);
  std::vector<std::int64_t> both{threads, -threads};
  world.all_reduce(std::span(both), Reduction::max);
  EXPECT_EQ(both[0], -both[1]);
  const NodeCores mine = cores_of_nodes(world)[static_cast<std::size_t>(world.topology().node)];
  EXPECT_TRUE(threads == 1 || threads * mine.ranks <= mine.cores);
}

TEST(NodeCores, WithRoomForAllThreadsNothingIsSaid) {
  EXPECT_EQ(crowding_note({{"h1", 16, 4}}, 4, false), "");
  EXPECT_EQ(crowding_note({{"h1", 16, 4}, {"h2", 4, 1}}, 4, true), "");
  EXPECT_EQ(crowding_note({{"h1", 0, 4}}, 4, false), "") << "not known";
}

TEST(NodeCores, ThreadsThatShareCoresAreToldWithTheRemedy) {
  EXPECT_EQ(crowding_note({{"h1", 16, 8}}, 4, false),
            "8 ranks of 4 threads on h1 share 16 cores, and threads that share a core wait for each other: set "
            "run.threads = 2, or start 4 ranks there");
  EXPECT_EQ(crowding_note({{"h1", 2, 3}}, 1, false),
            "3 ranks of 1 thread on h1 share 2 cores, and threads that share a core wait for each other: start 2 "
            "ranks there");
  EXPECT_NE(crowding_note({{"h1", 1, 1}}, 3, false).find("1 rank of 3 threads on h1 shares 1 core"), std::string::npos);
  EXPECT_TRUE(crowding_note({{"h1", 2, 3}}, 4, false).ends_with(": set run.threads = 1 and start 2 ranks there"));
}

TEST(NodeCores, TheWorstNodeIsNamed) {
  EXPECT_NE(crowding_note({{"h1", 16, 8}, {"h2", 4, 8}, {"h3", 16, 8}}, 4, false).find(" on h2 share 4 cores"),
            std::string::npos);
}

TEST(NodeCores, ARunThatGoesOnCannotHaveOtherThreads) {
  EXPECT_TRUE(
      crowding_note({{"h1", 4, 4}}, 2, true)
          .ends_with(": start 2 ranks there (the number of threads per rank stays as it was at the first start)"));
  EXPECT_TRUE(crowding_note({{"h1", 2, 1}}, 4, true).ends_with("give each rank 4 cores, or start anew with --fresh"));
}

}  // namespace
}  // namespace temper
