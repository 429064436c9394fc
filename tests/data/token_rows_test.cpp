#include "data/token_rows.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/data/example_rows.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::rows_of_lengths;
using testing_support::rows_with_targets;
using testing_support::rows_with_token_classes;

TEST(TokenRows, PartsBecomeOneInOrder) {
  TokenRows second = rows_of_lengths({1, 3});
  for (std::int32_t& id : second.ids) id += 2;
  for (std::int32_t& label : second.classes) ++label;
  const std::array<TokenRows, 3> parts = {rows_of_lengths({2}), TokenRows(), second};
  EXPECT_EQ(concatenate(parts), rows_of_lengths({2, 1, 3}));
}

TEST(TokenRows, PartsWithoutRowsDoNotChangeTheWidth) {
  const std::array<TokenRows, 2> parts = {TokenRows(), rows_with_targets({2, 1}, 3)};
  EXPECT_EQ(concatenate(parts), parts[1]);
  EXPECT_EQ(concatenate({}), TokenRows());
}

TEST(TokenRows, RefusesPartsOfOtherKinds) {
  const std::array<TokenRows, 2> widths = {rows_with_targets({2}, 3), rows_with_targets({2}, 1)};
  EXPECT_HAS(error_of([&] { concatenate(widths); }), "parts of 3 and of 1 targets");
  const std::array<TokenRows, 2> kinds = {rows_of_lengths({2, 3}), rows_with_token_classes({2, 3})};
  EXPECT_HAS(error_of([&] { concatenate(kinds); }), "neither one per row nor one per token");
}

TEST(TokenRows, RefusesARowWithoutTokens) {
  TokenRows rows = rows_of_lengths({2, 1});
  rows.starts[1] = 0;
  EXPECT_EQ(error_of([&] { require_consistent(rows, "it"); }), "it: a row has no tokens");
}

}  // namespace
}  // namespace temper
