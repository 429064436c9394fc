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
  EXPECT_TRUE(crowding_note({{"h1", 4, 4}}, 2, true)
                  .ends_with(": start 2 ranks there (threads a rank stay as they were at the first start)"));
  EXPECT_TRUE(crowding_note({{"h1", 2, 1}}, 4, true).ends_with("give each rank 4 cores, or start anew with --fresh"));
}

}  // namespace
}  // namespace temper
