#include "data/dataset.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/data/example_dataset.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::dataset_of;
using testing_support::dataset_with_targets;
using testing_support::dataset_with_token_classes;
using testing_support::error_of;

TEST(Dataset, PartsBecomeOneInOrder) {
  Dataset second = dataset_of({1, 3});
  for (std::int32_t& id : second.ids) id += 2;
  for (std::int32_t& label : second.classes) ++label;
  const std::array<Dataset, 3> parts = {dataset_of({2}), Dataset(), second};
  EXPECT_EQ(concatenate(parts), dataset_of({2, 1, 3}));
}

TEST(Dataset, PartsWithoutRowsDoNotChangeTheWidth) {
  const std::array<Dataset, 2> parts = {Dataset(), dataset_with_targets({2, 1}, 3)};
  EXPECT_EQ(concatenate(parts), parts[1]);
  EXPECT_EQ(concatenate({}), Dataset());
}

TEST(Dataset, RefusesPartsOfOtherKinds) {
  const std::array<Dataset, 2> widths = {dataset_with_targets({2}, 3), dataset_with_targets({2}, 1)};
  EXPECT_HAS(error_of([&] { concatenate(widths); }), "parts of 3 and of 1 targets");
  const std::array<Dataset, 2> kinds = {dataset_of({2, 3}), dataset_with_token_classes({2, 3})};
  EXPECT_HAS(error_of([&] { concatenate(kinds); }), "neither one a row nor one a token");
}

TEST(Dataset, SurvivesTheWayToAnotherRank) {
  for (const Dataset& dataset :
       {Dataset(), dataset_of({2, 1, 3}), dataset_with_targets({2, 1}, 3), dataset_with_token_classes({4, 5})})
    EXPECT_EQ(deserialize_dataset(serialize(dataset)), dataset);
}

TEST(Dataset, RefusesBytesCutAtAnyPlaceOrTooMany) {
  std::vector<std::byte> bytes = serialize(dataset_with_targets({2, 1}, 2));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(error_of([&] { deserialize_dataset(std::span(bytes).first(size)); }), "") << size;
  bytes.push_back(std::byte{0});
  EXPECT_HAS(error_of([&] { deserialize_dataset(bytes); }), "1 bytes too long");
}

TEST(Dataset, RefusesBytesWithAnyHeaderWordDamaged) {
  const std::vector<std::byte> whole = serialize(dataset_of({2, 1}));
  for (std::size_t byte = 0; byte < 7 * 8; ++byte) {
    std::vector<std::byte> bytes = whole;
    bytes[byte] ^= std::byte{0x81};
    EXPECT_NE(error_of([&] { deserialize_dataset(bytes); }), "") << byte;
  }
}

TEST(Dataset, RefusesARowWithoutTokens) {
  Dataset dataset = dataset_of({2, 1});
  dataset.starts[1] = 0;
  EXPECT_EQ(error_of([&] { require_consistent(dataset, "it"); }), "it: a row has no tokens");
}

}  // namespace
}  // namespace temper
