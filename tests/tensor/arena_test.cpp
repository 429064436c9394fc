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

TEST(ArenaLayout, AStageBeginsWithAChunk) {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  const std::vector<std::int64_t> sizes{5, 16, kChunk + 1, 7, 9};
  const std::vector<std::int64_t> stages{3, 3, 2, 2, 0};
  const ArenaLayout layout(sizes, stages);
  EXPECT_EQ(layout.slots()[1].begin, 16);
  EXPECT_EQ(layout.slots()[2].begin, kChunk);
  EXPECT_EQ(layout.slots()[3].begin, 2 * kChunk + 16);
  EXPECT_EQ(layout.slots()[4].begin, 3 * kChunk);
  EXPECT_EQ(layout.elements(), 4 * kChunk);
  const std::vector<ElementRange> sections(layout.sections().begin(), layout.sections().end());
  EXPECT_EQ(sections, (std::vector<ElementRange>{{0, kChunk}, {kChunk, 3 * kChunk}, {3 * kChunk, 4 * kChunk}}));
  EXPECT_EQ(ArenaLayout(sizes).sections().size(), 1U);
  EXPECT_EQ(ArenaLayout().sections().size(), 0U);
}

TEST(ArenaLayout, SectionsCanBeCutIntoEqualParts) {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  const std::vector<std::int64_t> sizes{5, 4 * kChunk, 7};
  const std::vector<std::int64_t> stages{2, 1, 0};
  for (const std::int64_t parts : {1, 2, 3, 5}) {
    const ArenaLayout layout(sizes, stages, parts);
    ASSERT_EQ(layout.sections().size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(layout.sections()[i].size() % (parts * kChunk), 0) << parts;
      EXPECT_EQ(layout.slots()[i].begin, layout.sections()[i].begin) << "so chunks hold the same, whatever the parts";
    }
    EXPECT_EQ(layout.sections().back().end, layout.elements());
  }
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
