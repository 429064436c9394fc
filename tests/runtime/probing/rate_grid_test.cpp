#include "runtime/probing/rate_grid.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace temper {
namespace {

using GridRates = std::vector<double>;

std::string grid_refusal(const ProbeRequest& request) {
  try {
    (void)rates_to_probe(request, Configuration());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return {};
}

TEST(RateGrid, TriesHalfDecadesThatCanBeTyped) {
  EXPECT_EQ(rates_to_probe({}, {}), (GridRates{1e-6, 3.2e-6, 1e-5, 3.2e-5, 1e-4, 3.2e-4, 1e-3}));
  Configuration lora;
  lora.lora.rank = 8;
  EXPECT_EQ(rates_to_probe({}, lora), (GridRates{1e-5, 3.2e-5, 1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2}));
  EXPECT_EQ(rates_to_probe({.count = 3}, lora), (GridRates{1e-5, 3.2e-4, 1e-2}));
}

TEST(RateGrid, FollowsWhatIsTrainedAndHow) {
  Configuration head;
  head.tuning.freeze = {"*"};
  EXPECT_EQ(rates_to_probe({}, head).front(), 1e-5);
  Configuration nothing;
  nothing.model.initialize = true;
  EXPECT_EQ(rates_to_probe({}, nothing).front(), 1e-5);
  Configuration sgd;
  sgd.train.update.rule = "sgd";
  EXPECT_EQ(rates_to_probe({}, sgd).front(), 1e-4);
  EXPECT_EQ(rates_to_probe({}, sgd).back(), 1e-1);
  Configuration lion;
  lion.train.update.rule = "lion";
  EXPECT_EQ(rates_to_probe({}, lion).front(), 1e-7);
  // Merged at once, the adapters are trained no more.
  Configuration merged;
  merged.lora.rank = 8;
  merged.tuning.phases = {PhaseConfig{}};
  merged.tuning.phases.front().merge_adapters = true;
  EXPECT_EQ(rates_to_probe({}, merged).front(), 1e-6);
  EXPECT_EQ(steps_to_probe({}, merged), 20);
}

TEST(RateGrid, TakesListsAndRanges) {
  EXPECT_EQ(rates_to_probe({.rates = "1e-3, 1e-5,2.5e-4"}, {}), (GridRates{1e-5, 2.5e-4, 1e-3})) << "in rising order";
  EXPECT_EQ(rates_to_probe({.rates = "1e-4..1e-2", .count = 5}, {}), (GridRates{1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2}));
  EXPECT_EQ(rates_to_probe({.rates = "1e-4..1e-2", .count = 2}, {}), (GridRates{1e-4, 1e-2}));
  EXPECT_EQ(rates_to_probe({.rates = "0.0001234..1"}, {}).front(), 0.0001234) << "ends are as they were given";
}

TEST(RateGrid, RefusesWhatIsNoListOfRates) {
  for (const char* rates :
       {"0,1e-3", "-1e-3,1e-3", "nan,1e-3", "inf,1", "1e-3,", "fast,slow", "1e-3..", "..1e-3", "1e-5;1e-4"})
    EXPECT_NE(grid_refusal({.rates = rates}).find("is no learning rate above 0"), std::string::npos) << rates;
  EXPECT_NE(grid_refusal({.rates = "1e-3"}).find("nothing to compare it with"), std::string::npos);
  EXPECT_NE(grid_refusal({.rates = "1e-3,0.001"}).find("names a rate twice"), std::string::npos);
  EXPECT_NE(grid_refusal({.rates = "1e-2..1e-4"}).find("has to rise"), std::string::npos);
  EXPECT_NE(grid_refusal({.rates = "1e-3,1e-2", .count = 3}).find("--probe-count is for a range"), std::string::npos);
  EXPECT_NE(grid_refusal({.rates = "1e-3..1.1e-3", .count = 20}).find("too close"), std::string::npos);
}

TEST(RateGrid, StepsDependOnWhatIsTrained) {
  Configuration lora;
  lora.lora.rank = 8;
  EXPECT_EQ(steps_to_probe({}, {}), 20);
  EXPECT_EQ(steps_to_probe({}, lora), 40);
  EXPECT_EQ(steps_to_probe({.steps = 7}, lora), 7);
}

TEST(RateGrid, ProbesTheFirstPhaseAtAConstantRate) {
  Configuration configuration;
  configuration.train.early_stopping = 3;
  configuration.tuning.phases.resize(2);
  configuration.tuning.phases[0].freeze = {"embeddings"};
  configuration.tuning.phases[0].layer_decay = 0.9;
  configuration.tuning.phases[0].learning_rate = 1e-3;
  configuration.tuning.phases[0].epochs = 1;
  configuration.tuning.phases[0].plateau_patience = 2;
  EXPECT_EQ(configured_rate(configuration), 1e-3);
  const Configuration probe = probe_configuration(configuration, 12);
  EXPECT_EQ(probe.train.max_steps, 12);
  EXPECT_EQ(probe.train.schedule, "constant");
  EXPECT_EQ(probe.train.warmup_ratio, 0.0);
  EXPECT_FALSE(probe.checkpoint.resume);
  ASSERT_EQ(probe.tuning.phases.size(), 1U);
  EXPECT_EQ(probe.tuning.phases[0].freeze, (std::vector<std::string>{"embeddings"}));
  EXPECT_EQ(probe.tuning.phases[0].layer_decay, 0.9);
  EXPECT_EQ(probe.tuning.phases[0].epochs, 0.0);
  EXPECT_EQ(probe.tuning.phases[0].plateau_patience, 0);
}

}  // namespace
}  // namespace temper
