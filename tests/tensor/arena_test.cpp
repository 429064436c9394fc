#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <vector>

namespace temper {
namespace {

TEST(ArenaLayout, PlacesParametersInOrderOnCacheLines) {
  const std::vector<std::int64_t> sizes{5, 16, 33};
  const ArenaLayout layout(sizes);
  EXPECT_EQ(layout.slots()[0].begin, 0);
  EXPECT_EQ(layout.slots()[1].begin, 16);
  EXPECT_EQ(layout.slots()[2].begin, 32);
  EXPECT_EQ(layout.elements(), ArenaLayout::kChunk);
  EXPECT_EQ(layout.chunks(), 1);
}

TEST(ArenaLayout, FindsTheSlotBehindAnElement) {
  const std::vector<std::int64_t> sizes{5, 16, 33};
  const ArenaLayout layout(sizes);
  EXPECT_EQ(layout.first_slot_after(0), 0U);
  EXPECT_EQ(layout.first_slot_after(5), 1U);
  EXPECT_EQ(layout.first_slot_after(40), 2U);
  EXPECT_EQ(layout.first_slot_after(65), 3U);
}

}  // namespace
}  // namespace temper
