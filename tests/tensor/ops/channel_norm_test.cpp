#include "tensor/ops/channel_norm.h"

#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class ChannelNormOps : public testing_support::OpsGradient {
 protected:
  RunningStatistics running(std::int64_t columns) {
    const RunningStatistics statistics{Variable(random({columns})), Variable(random({columns}, 0.1F, 1.5F))};
    return statistics;
  }
};

TEST_F(ChannelNormOps, ByRunningStatisticsMatchesCentralDifferences) {
  const RunningStatistics statistics = running(5);
  const Variable x = leaf(random({12, 5}));
  const Variable residual = leaf(random({12, 5}));
  const Variable weight = leaf(random({5}, 0.3F, 1.0F));
  const Variable bias = leaf(random({5}));
  check([&](Tape& t) { return batch_norm(t, x, statistics, weight, bias, residual, Activation::relu); },
        {x, residual, weight, bias}, 2e-2);
  for (const Variable& variable : {x, weight, bias}) variable.bind_gradient(Tensor(), -1);
  check([&](Tape& t) { return batch_norm(t, x, statistics, weight, bias); }, {x, weight, bias}, 1e-2);
}

/// Keeps what it was told.
class Measured final : public BatchNormObserver {
 public:
  void measured(const Variable& running_mean, const Tensor& mean, const Tensor& variance, std::int64_t rows) override {
    key = running_mean;
    means.assign(mean.data<float>(), mean.data<float>() + mean.size());
    variances.assign(variance.data<float>(), variance.data<float>() + variance.size());
    count = rows;
    ++times;
  }
  Variable key;
  std::vector<float> means;
  std::vector<float> variances;
  std::int64_t count = 0;
  int times = 0;
};

TEST_F(ChannelNormOps, ByTheRowsOwnStatisticsMatchesCentralDifferences) {
  const RunningStatistics statistics = running(5);
  Measured observer;
  const Variable x = leaf(random({12, 5}));
  const Variable residual = leaf(random({12, 5}));
  const Variable weight = leaf(random({5}, 0.3F, 1.0F));
  const Variable bias = leaf(random({5}));
  check(
      [&](Tape& t) {
        t.observe_batch_norms(&observer);
        return batch_norm(t, x, statistics, weight, bias, residual, Activation::relu);
      },
      {x, residual, weight, bias}, 2e-2);
  EXPECT_EQ(observer.count, 12);
  EXPECT_TRUE(observer.key == statistics.mean);
  for (std::int64_t c = 0; c < 5; ++c) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < 12; ++i) sum += static_cast<double>(x.value().data<float>()[i * 5 + c]);
    EXPECT_NEAR(static_cast<double>(observer.means[static_cast<std::size_t>(c)]), sum / 12.0, 1e-6);
  }
}

TEST_F(ChannelNormOps, InEvaluationNobodyMeasures) {
  const RunningStatistics statistics = running(5);
  Measured observer;
  const Variable x(random({12, 5}));
  Tape t = tape(Tape::Mode::evaluation);
  t.observe_batch_norms(&observer);
  (void)batch_norm(t, x, statistics, Variable(random({5})), Variable(random({5})));
  EXPECT_EQ(observer.times, 0);
}

TEST_F(ChannelNormOps, WhatIsRecomputedIsToldAgain) {
  const RunningStatistics statistics = running(5);
  Measured observer;
  const Variable x = leaf(random({12, 5}));
  const Variable weight = leaf(random({5}));
  const Variable bias = leaf(random({5}));
  Tape t = tape();
  t.observe_batch_norms(&observer);
  const Variable y = t.recompute([&](Tape& on) { return batch_norm(on, x, statistics, weight, bias); });
  const std::vector<float> before = observer.means;
  Tape::set_gradient(y, random({12, 5}));
  t.backward();
  EXPECT_EQ(observer.times, 2);
  EXPECT_EQ(observer.means, before);
}

}  // namespace
}  // namespace temper
