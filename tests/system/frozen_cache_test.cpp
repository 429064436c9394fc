// Runs whose frozen layers are computed once.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class FrozenCacheRun : public TinyRun {
 protected:
  static std::vector<std::string> with(std::vector<std::string> overrides, const std::vector<std::string>& more) {
    overrides.insert(overrides.end(), more.begin(), more.end());
    return overrides;
  }
  Outcome trained(const std::string& output, const std::vector<std::string>& more, int ranks = 0) {
    Outcome outcome = train(output, with(head_only_, more), ranks);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome;
  }
  static bool says(const Outcome& outcome, const std::string& text) {
    return outcome.err.find(text) != std::string::npos;
  }

  const std::vector<std::string> head_only_{"tuning.freeze=[\"*\"]", "train.grains=6", "train.epochs=4",
                                            "output.tensorboard=false"};
  const std::string last_layer_ = "tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]";
};

TEST_F(FrozenCacheRun, GivesTheSameBitsOnAnyNumberOfRanksAndInEitherPlace) {
  for (const std::string& freeze : {std::string("tuning.freeze=[\"*\"]"), last_layer_}) {
    const std::string name = freeze == last_layer_ ? "layer-" : "head-";
    const Outcome alone = trained(name + "alone", {freeze});
    EXPECT_TRUE(says(alone, "frozen layers: computed once for 203 training rows")) << alone.err;
    EXPECT_TRUE(says(alone, "frozen layers: computed once for 41 validation rows")) << alone.err;
    const std::string expected = weights(name + "alone");
    for (const int ranks : {2, 3}) {
      const std::string output = name + std::to_string(ranks);
      trained(output, {freeze}, ranks);
      EXPECT_TRUE(weights(output) == expected) << ranks << " ranks";
      const Outcome in_file =
          trained(output + "-file", {freeze, "run.cache_memory_mib=0", "run.cache_dir=cached"}, ranks);
      EXPECT_TRUE(says(in_file, "MiB in cached")) << in_file.err;
      EXPECT_TRUE(weights(output + "-file") == expected) << ranks << " ranks, in a file";
      EXPECT_TRUE(std::filesystem::is_empty(path("cached")));
    }
  }
}

TEST_F(FrozenCacheRun, TrainsAsWithoutACache) {
  const Json cached = Json::parse(trained("cached", {last_layer_}).last_line());
  const Outcome outcome = trained("computed", {last_layer_, "tuning.frozen_cache=false"});
  EXPECT_FALSE(says(outcome, "frozen layers:")) << outcome.err;
  const Json computed = Json::parse(outcome.last_line());
  EXPECT_NEAR(cached["test"]["loss"].get<double>(), computed["test"]["loss"].get<double>(), 1e-4);
  EXPECT_NEAR(cached["best"]["loss"].get<double>(), computed["best"]["loss"].get<double>(), 1e-4);
  EXPECT_GT(cached["cache_seconds"], 0.0);
  EXPECT_EQ(computed["cache_seconds"], 0.0);
  EXPECT_GT(cached["last_epoch_examples_per_second"], 0.0);
}

TEST_F(FrozenCacheRun, GoesTogetherWithActivationsThatAreComputedAgain) {
  trained("kept", {last_layer_});
  trained("again", {last_layer_, "train.checkpoint_activations=blocks"}, 2);
  EXPECT_TRUE(weights("kept") == weights("again"));
}

TEST_F(FrozenCacheRun, IsOffWhereFrozenLayersKeepTheirDropout) {
  const Outcome outcome = trained("out", {"tuning.frozen_dropout=true", "train.epochs=1"});
  EXPECT_FALSE(says(outcome, "frozen layers:")) << outcome.err;
  trained("off", {"train.epochs=1"});
  EXPECT_FALSE(weights("out") == weights("off"));
}

TEST_F(FrozenCacheRun, GoesOnAfterBeingKilled) {
  const std::vector<std::string> more{"train.epochs=12", "checkpoint.every_steps=3", last_layer_};
  trained("whole", more);
  Invocation killed;
  killed.meanwhile = [this, sent = false](pid_t process) mutable {
    const std::string log = read(path("out/metrics.jsonl"));
    if (sent || std::count(log.begin(), log.end(), '\n') < 20) return;
    sent = true;
    kill(-process, SIGKILL);
  };
  ASSERT_NE(train("out", with(head_only_, more), 2, killed).status, 0);
  ASSERT_FALSE(std::filesystem::exists(path("out/model")));
  const Outcome resumed = trained("out", with(more, {"run.cache_memory_mib=0"}), 3);
  EXPECT_TRUE(says(resumed, "resuming from step")) << resumed.err;
  EXPECT_TRUE(weights("out") == weights("whole"));
}

TEST_F(FrozenCacheRun, IsKeptForLaterRunsOnTheSameRows) {
  const std::vector<std::string> keep{"run.keep_cache=true", "run.cache_dir=kept"};
  trained("plain", {});
  const Outcome first = trained("first", keep, 2);
  EXPECT_TRUE(says(first, "computed once for 203 training rows")) << first.err;
  const Outcome second = trained("second", with(keep, {"train.seed=1", "train.learning_rate=1e-3"}), 2);
  EXPECT_TRUE(says(second, "known for 203 training rows")) << second.err;
  EXPECT_TRUE(says(second, "known for 41 validation rows")) << second.err;
  const Outcome again = trained("again", keep);
  EXPECT_TRUE(says(again, "known for 203 training rows")) << again.err;
  EXPECT_TRUE(weights("first") == weights("plain"));
  EXPECT_TRUE(weights("again") == weights("plain"));

  for (const auto& entry : std::filesystem::directory_iterator(path("kept"))) {
    std::string bytes = read(entry.path());
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write("kept/" + entry.path().filename().string(), bytes);
  }
  const Outcome damaged = trained("damaged", keep, 2);
  EXPECT_TRUE(says(damaged, "computed once for 203 training rows")) << damaged.err;
  EXPECT_TRUE(weights("damaged") == weights("plain"));
}

TEST_F(FrozenCacheRun, ThatNeverFitsIntoAStartIsAnError) {
  for (const int ranks : {0, 2}) {
    const Outcome outcome = train("out", with(head_only_, {"run.max_minutes=1e-6"}), ranks);
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
    for (const char* part : {"step 0", "run.max_minutes", "tuning.frozen_cache", "run.keep_cache"})
      EXPECT_NE(outcome.messages()[0].find(part), std::string::npos) << part << " in: " << outcome.messages()[0];
  }
  // A step is enough to get on.
  EXPECT_EQ(train("anew", with(head_only_, {"run.max_minutes=1e-6", "tuning.frozen_cache=false"})).status, 75);
}

TEST_F(FrozenCacheRun, IsMadeAnewWhereMoreIsTrained) {
  const std::string phases =
      "tuning.phases=[{ freeze = [\"*\"], epochs = 2 }, { freeze = [\"embeddings\", \"encoder.layer.0\"], epochs = 2 "
      "}, "
      "{ freeze = [\"embeddings\"], epochs = 1 }]";
  const std::vector<std::string> more{"tuning.freeze=[]", phases};
  const Outcome alone = trained("alone", more);
  std::size_t fills = 0;
  for (std::size_t at = alone.err.find("203 training rows"); at != std::string::npos;
       at = alone.err.find("203 training rows", at + 1))
    ++fills;
  EXPECT_EQ(fills, 2U) << alone.err;
  trained("two", more, 2);
  EXPECT_TRUE(weights("two") == weights("alone"));
  const Json with_caches = Json::parse(alone.last_line());
  const Json without = Json::parse(trained("without", with(more, {"tuning.frozen_cache=false"})).last_line());
  EXPECT_NEAR(with_caches["test"]["loss"].get<double>(), without["test"]["loss"].get<double>(), 1e-3);
}

TEST_F(FrozenCacheRun, ServesTokenTasksAndLeavesMaskedWordsAlone) {
  const std::vector<std::string> tokens{"model.task=token-classification", "data.label=word_labels"};
  for (const std::string& freeze : {std::string("tuning.freeze=[\"*\"]"), last_layer_}) {
    const std::string name = freeze == last_layer_ ? "layer" : "head";
    const Outcome alone = trained(name, with(tokens, {freeze}));
    EXPECT_TRUE(says(alone, "frozen layers: computed once for 203 training rows")) << alone.err;
    trained(name + "-two", with(tokens, {freeze}), 2);
    EXPECT_TRUE(weights(name) == weights(name + "-two"));
    const Json cached = Json::parse(alone.last_line());
    const Json computed =
        Json::parse(trained(name + "-off", with(tokens, {freeze, "tuning.frozen_cache=false"})).last_line());
    EXPECT_NEAR(cached["best"]["loss"].get<double>(), computed["best"]["loss"].get<double>(), 1e-4);
  }
  const Outcome masked = trained("masked", {"model.task=masked-lm"});
  EXPECT_FALSE(says(masked, "frozen layers:")) << masked.err;
}

TEST_F(FrozenCacheRun, IsDoneWithoutWhereThereIsNoRoom) {
  write("file", "not a folder");
  const Outcome outcome = trained("out", {"run.cache_memory_mib=0", "run.cache_dir=file"}, 2);
  EXPECT_TRUE(says(outcome, "frozen layers: no cache")) << outcome.err;
}

}  // namespace
}  // namespace temper::system_tests
