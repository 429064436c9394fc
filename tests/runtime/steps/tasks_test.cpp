// Several tables have a row a task. A task that one of them lacks, or knows by another name, is found here.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "model/architectures/registry.h"
#include "model/huggingface/model_card.h"
#include "runtime/config/config_keys.h"
#include "runtime/evaluation/metrics.h"
#include "runtime/inputs/run_model.h"
#include "tests/model_fixture.h"

namespace temper {
namespace {

/// Every value that Task has, by the name that the registry gives it.
std::vector<std::string> all_tasks() {
  std::vector<std::string> names;
  for (std::uint8_t value = 0; name_of(static_cast<Task>(value)) != "unknown"; ++value)
    names.push_back(name_of(static_cast<Task>(value)));
  return names;
}

TEST(Tasks, AreWhatTheConfigurationOffers) {
  const auto& keys = configuration_keys();
  const auto key = std::ranges::find(keys, "model.task", &ConfigurationKey::full_name);
  ASSERT_NE(key, keys.end());
  const std::vector<std::string> tasks = all_tasks();
  EXPECT_EQ(std::set(key->choices.begin(), key->choices.end()), std::set(tasks.begin(), tasks.end()));
  EXPECT_EQ(key->choices.size(), tasks.size());
}

TEST(Tasks, HaveANameAMetricAndAPlaceOnTheHub) {
  const std::vector<std::string> tasks = all_tasks();
  ASSERT_EQ(tasks.size(), 5U);
  for (const std::string& task : tasks) {
    EXPECT_EQ(name_of(parse_task(task)), task);
    const std::vector<std::string> metrics = metric_names(task);
    EXPECT_EQ(std::ranges::count(metrics, default_metric(task)), 1) << task;
    Lineage lineage;
    lineage.title = "a model";
    lineage.task = task;
    EXPECT_NE(model_card(lineage).find("\npipeline_tag: "), std::string::npos) << task;
  }
}

TEST(Tasks, AreReadFromTheConfigurationThatTransformersWrites) {
  std::set<std::string> seen;
  for (const std::string& name : testing_support::own_fixtures()) {
    const testing_support::ModelFixture fixture(name);
    EXPECT_EQ(task_of(fixture.config), fixture.request.task) << name;
    seen.insert(name_of(fixture.request.task));
  }
  EXPECT_EQ(seen.size(), all_tasks().size()) << "there is a fixture of each task";
}

}  // namespace
}  // namespace temper
