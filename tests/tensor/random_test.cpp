#include "tensor/random.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

// Known answers of the authors' reference implementation (Random123, kat_vectors).
TEST(Philox, MatchesKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomKey, DiffersBetweenSeedsAndSteps) {
  EXPECT_NE(random_key(1, 0), random_key(2, 0));
  EXPECT_NE(random_key(1, 0), random_key(1, 1));
}

TEST(Dropout, ScaleMakesTheExpectationExact) {
  const Dropout dropout{0.1F, 0, {}};
  const double kept = 1.0 - dropout.threshold() / 65536.0;
  EXPECT_NEAR(kept * dropout.scale(), 1.0, 1e-7);
  EXPECT_FALSE((Dropout{0.0F, 0, {}}).active());
}

}  // namespace
}  // namespace temper
