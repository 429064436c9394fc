#include "base/build_id.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

TEST(BuildId, IsWrittenByTheLinkerAndAlwaysTheSame) {
  const std::string id = build_id();
  if (id.empty()) GTEST_SKIP() << "this linker writes none";
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
  EXPECT_GE(id.size(), 16U);
  EXPECT_EQ(build_id(), id);
}

}  // namespace
}  // namespace temper
