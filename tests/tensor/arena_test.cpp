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

TEST(ArenaLayout, PartsOfARangeAreIdleOrNot) {
  const ArenaLayout layout(std::vector<std::int64_t>{1000}, {{10, 20}, {30, 40}, {50, 60}});
  using Part = std::pair<ElementRange, bool>;
  const auto parts_of = [&](ElementRange range) {
    std::vector<Part> parts;
    layout.for_each_part(range, [&](ElementRange part, bool idle) { parts.emplace_back(part, idle); });
    return parts;
  };
  EXPECT_EQ(parts_of({0, 10}), (std::vector<Part>{{{0, 10}, false}}));
  EXPECT_EQ(parts_of({0, 35}),
            (std::vector<Part>{{{0, 10}, false}, {{10, 20}, true}, {{20, 30}, false}, {{30, 35}, true}}));
  EXPECT_EQ(parts_of({12, 15}), (std::vector<Part>{{{12, 15}, true}}));
  EXPECT_EQ(parts_of({40, 50}), (std::vector<Part>{{{40, 50}, false}}));
  EXPECT_EQ(parts_of({55, 70}), (std::vector<Part>{{{55, 60}, true}, {{60, 70}, false}}));
  EXPECT_EQ(parts_of({20, 20}), (std::vector<Part>{}));
  std::vector<ElementRange> active;
  layout.for_each_active({0, 45}, [&](ElementRange part) { active.push_back(part); });
  EXPECT_EQ(active, (std::vector<ElementRange>{{0, 10}, {20, 30}, {40, 45}}));
  EXPECT_TRUE(layout.has_idle());
}

}  // namespace
}  // namespace temper
