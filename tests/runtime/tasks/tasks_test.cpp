// Every task of the table is known everywhere: what one part of the program lacks, or knows by another name, is found
// here.
#include "runtime/tasks/task.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/huggingface/model_card.h"
#include "runtime/config/config_keys.h"
#include "runtime/config/usual_names.h"
#include "runtime/frozen/phase_caches.h"
#include "runtime/inputs/run_model.h"
#include "runtime/tasks/scores.h"
#include "tests/model_fixture.h"

namespace temper {
namespace {

TEST(Tasks, AreWhatTheConfigurationOffers) {
  const auto& keys = configuration_keys();
  const auto key = std::ranges::find(keys, "model.task", &ConfigurationKey::full_name);
  ASSERT_NE(key, keys.end());
  EXPECT_EQ(key->choices, task_names());
  std::set<std::string_view> names;
  for (const TaskSpec& task : tasks()) {
    EXPECT_EQ(&task_named(task.name), &task);
    EXPECT_TRUE(names.insert(task.name).second) << task.name;
    for (const std::string_view other : task.other_names) {
      EXPECT_TRUE(names.insert(other).second) << other;
      EXPECT_EQ(usual_name(other), task.name);
    }
  }
  EXPECT_THROW(task_named("clairvoyance"), Error);
}

TEST(Tasks, AreJudgedByOneOfTheirMetrics) {
  for (const TaskSpec& task : tasks()) {
    const std::vector<std::string> metrics = metric_names(task);
    EXPECT_EQ(metrics.front(), "loss") << task.name;
    EXPECT_EQ(std::ranges::count(metrics, task.best_metric), 1) << task.name;
    EXPECT_EQ(choose_metric("", task), task.best_metric);
    EXPECT_EQ(choose_metric("loss", task), "loss");
    EXPECT_THROW(choose_metric("acuracy", task), Error);
  }
}

TEST(Tasks, AreReadFromTheConfigurationThatTransformersWrites) {
  std::set<std::string_view> seen;
  for (const std::string& name : testing_support::own_fixtures()) {
    const testing_support::ModelFixture fixture(name);
    EXPECT_EQ(&task_of(fixture.config), fixture.task) << name;
    seen.insert(fixture.task->name);
  }
  EXPECT_EQ(seen.size(), tasks().size()) << "there is a fixture of each task";
}

}  // namespace
}  // namespace temper
