#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <vector>

namespace temper {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsSubstitutionsAndSwaps) {
  EXPECT_EQ(edit_distance("rate", "rate"), 0);
  EXPECT_EQ(edit_distance("rate", "rates"), 1);
  EXPECT_EQ(edit_distance("rate", "rte"), 1);
  EXPECT_EQ(edit_distance("rate", "rafe"), 1);
  EXPECT_EQ(edit_distance("rate", "raet"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
}

TEST(NearestName, FindsTheMistypedKey) {
  const std::vector<std::string> known{"batch_size", "learning_rate", "epochs"};
  EXPECT_EQ(nearest_name("learing_rate", known), "learning_rate");
  EXPECT_EQ(nearest_name("epoch", known), "epochs");
  EXPECT_EQ(nearest_name("zzzzzzzz", known), "");
}

}  // namespace
}  // namespace temper
