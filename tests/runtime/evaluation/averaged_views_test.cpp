#include "runtime/evaluation/averaged_views.h"

#include <gtest/gtest.h>

#include <cmath>

namespace temper {
namespace {

using Views = std::vector<std::vector<float>>;

TEST(AveragedViews, AreTheMeanOfProbabilities) {
  // 0.8 and 0.2, then 0.4 and 0.6.
  const Views views{{std::log(4.0F), 0.0F}, {std::log(2.0F), std::log(3.0F)}};
  const std::vector<float> logits = averaged_views(views, 2, LossKind::cross_entropy);
  EXPECT_NEAR(std::exp(logits[0]), 0.6, 1e-6);
  EXPECT_NEAR(std::exp(logits[1]), 0.4, 1e-6);
  const std::vector<float> labels = averaged_views(Views{{0.0F}, {std::log(3.0F)}}, 1, LossKind::binary_cross_entropy);
  EXPECT_NEAR(1.0 / (1.0 + std::exp(-labels[0])), (0.5 + 0.75) / 2, 1e-6);
  EXPECT_EQ(averaged_views(Views{{1.0F, 2.0F}, {2.0F, 5.0F}}, 1, LossKind::mean_squared_error),
            (std::vector<float>{1.5F, 3.5F}));
}

TEST(AveragedViews, OfOneAreItsOutputs) {
  const Views one{{3.0F, -1.0F}};
  EXPECT_EQ(averaged_views(one, 2, LossKind::cross_entropy), one.front());
}

}  // namespace
}  // namespace temper
