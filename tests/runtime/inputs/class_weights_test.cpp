#include "runtime/inputs/class_weights.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/mixture.h"
#include "data/token_store.h"

namespace temper {
namespace {

class ClassWeights : public testing::Test {
 protected:
  /// One row of one token for each class given.
  static TokenStore rows_of(const std::vector<std::int32_t>& classes) {
    TokenRows rows;
    for (const std::int32_t label : classes) {
      rows.ids.push_back(1);
      rows.types.push_back(0);
      rows.starts.push_back(static_cast<std::int64_t>(rows.ids.size()));
      rows.classes.push_back(label);
    }
    return TokenStore(std::move(rows));
  }
  std::unique_ptr<Device> device_ = make_cpu_device();
  TrainSection train_;
};

TEST_F(ClassWeights, AreUndefinedUnlessAskedFor) {
  EXPECT_FALSE(class_weights(train_, task_named("sequence-classification"), rows_of({0, 1}), 2, *device_).defined());
}

TEST_F(ClassWeights, BalancedHaveAMeanOfOneOverTheRows) {
  train_.class_weights = "balanced";
  const TokenStore rows = rows_of({0, 0, 0, 1, kUnlabelled});
  const Tensor weights = class_weights(train_, task_named("token-classification"), rows, 3, *device_);
  EXPECT_FLOAT_EQ(weights.data<float>()[0], 4.0F / 9.0F);
  EXPECT_FLOAT_EQ(weights.data<float>()[1], 4.0F / 3.0F);
  EXPECT_FLOAT_EQ(weights.data<float>()[2], 1.0F) << "a class without rows";
}

TEST_F(ClassWeights, BalancedCountRowsAsOftenAsAnEpochTakesThem) {
  train_.class_weights = "balanced";
  // Four rows of the first class, and two of the second that come twice each.
  const Mixture mixture({{std::make_shared<TokenStore>(rows_of({0, 0, 0, 0})), 1.0},
                         {std::make_shared<TokenStore>(rows_of({1, 1})), 1.0}});
  const Tensor weights = class_weights(train_, task_named("sequence-classification"), mixture, 2, *device_);
  EXPECT_EQ(device_->download<float>(weights), (std::vector<float>{1.0F, 1.0F}));
}

TEST_F(ClassWeights, GivenOnesMustBeOneAClass) {
  train_.class_weight_values = {1.0, 2.0};
  const Tensor weights = class_weights(train_, task_named("sequence-classification"), rows_of({0, 1}), 2, *device_);
  EXPECT_EQ(weights.data<float>()[1], 2.0F);
  EXPECT_THROW(class_weights(train_, task_named("sequence-classification"), rows_of({0, 1}), 3, *device_), Error);
  EXPECT_THROW(class_weights(train_, task_named("regression"), rows_of({0, 1}), 2, *device_), Error);
}

TEST_F(ClassWeights, AreAdvisedWhereALossTakesThemAndHasNone) {
  EXPECT_EQ(rare_label_advice(train_, LabelKind::single_class), RareLabelAdvice::class_weights);
  EXPECT_EQ(rare_label_advice(train_, LabelKind::multi_label), RareLabelAdvice::judge_labels);
  train_.class_weights = "balanced";
  EXPECT_EQ(rare_label_advice(train_, LabelKind::single_class), RareLabelAdvice::judge_classes);
}

}  // namespace
}  // namespace temper
