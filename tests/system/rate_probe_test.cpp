// temper train --probe-rate: rates are tried as runs would try them, on any number of ranks, and nothing is left behind
// but the advice.
#include <gtest/gtest.h>

#include <signal.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class RateProbeRun : public TinyRun {
 protected:
  /// temper train --probe-rate with these options and overrides.
  [[nodiscard]] Outcome probe(const std::string& output, const std::vector<std::string>& options,
                              const std::vector<std::string>& overrides, int ranks = 0,
                              Invocation invocation = {}) const {
    invocation.arguments = {"train", "run.toml", "--probe-rate", "--set", "output.dir=" + output};
    invocation.arguments.insert(invocation.arguments.end(), options.begin(), options.end());
    for (const std::string& text : overrides) {
      invocation.arguments.emplace_back("--set");
      invocation.arguments.push_back(text);
    }
    invocation.ranks = ranks;
    invocation.folder = folder_;
    return run(invocation);
  }
  /// The record, without what names the folder.
  [[nodiscard]] Json record(const std::string& output) const {
    Json json = Json::parse(read(path(output) / "rate-probe.json"));
    json.erase("configuration");
    return json;
  }
  /// Loss of each step that a run has logged.
  [[nodiscard]] std::vector<double> logged(const std::string& output) const {
    std::vector<double> losses;
    std::istringstream lines(read(path(output) / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (const Json json = Json::parse(line); json.at("kind") == "train") losses.push_back(json.at("loss"));
    return losses;
  }
  [[nodiscard]] std::vector<std::string> files_in(const std::string& output) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path(output)))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  static std::vector<std::string> with(std::vector<std::string> overrides, const std::vector<std::string>& more) {
    overrides.insert(overrides.end(), more.begin(), more.end());
    return overrides;
  }

  /// A probe's losses of each rate are those of a run at that constant rate, bit by bit; so is its validation loss.
  void expect_losses_of_runs(const std::string& name, const std::vector<std::string>& overrides, int steps, int ranks) {
    const Outcome probed =
        probe(name, {"--probe-rates", "1e-4,2.5e-3,0.02", "--probe-steps", std::to_string(steps)}, overrides, ranks);
    ASSERT_EQ(probed.status, 0) << probed.err;
    const Json found = record(name);
    ASSERT_EQ(found.at("rates").size(), 3U);
    // From the last to the first: nothing of an earlier rate is left in a later one.
    for (const std::size_t i : {2U, 1U, 0U}) {
      const Json& rate = found.at("rates").at(i);
      const std::string output = name + "-run-" + std::to_string(i);
      const Outcome ran =
          train(output, with(overrides, {"train.learning_rate=" + rate.at("rate").dump(), "train.schedule=constant",
                                         "train.warmup_ratio=0", "train.max_steps=" + std::to_string(steps)}));
      ASSERT_EQ(ran.status, 0) << ran.err;
      const std::vector<double> losses = logged(output);
      EXPECT_EQ(losses.size(), static_cast<std::size_t>(steps));
      EXPECT_EQ(rate.at("losses").get<std::vector<double>>(), losses) << name << ", rate " << rate.at("rate");
      EXPECT_EQ(rate.at("validation_loss"), Json::parse(ran.last_line()).at("last").at("loss")) << name;
    }
  }

  const std::vector<std::string> four_grains_{"train.grains=4", "output.tensorboard=false"};
};

TEST_F(RateProbeRun, EachRateHasTheLossesOfARunAtThatRate) { expect_losses_of_runs("full", four_grains_, 6, 2); }

TEST_F(RateProbeRun, AdaptersHaveThemToo) {
  // Longer than an epoch, so that the layer below the adapters is computed once.
  expect_losses_of_runs("lora",
                        with(four_grains_, {"lora.rank=4", "lora.dropout=0.1", "lora.targets=[\"query\", \"value\"]",
                                            "lora.layers=[1]", "train.clip_norm=0.5", "train.optimizer=adafactor"}),
                        10, 0);
  expect_losses_of_runs("dora", with(four_grains_, {"lora.rank=2", "lora.dora=true", "lora.bias=all"}), 4, 2);
}

TEST_F(RateProbeRun, FreezingDecayAndRatesPerLayerApply) {
  expect_losses_of_runs("decay",
                        with(four_grains_, {"tuning.freeze=[\"embeddings\"]", "tuning.layer_decay=0.5",
                                            "tuning.rates={ classifier = 4.0 }", "train.optimizer=sgd"}),
                        4, 3);
}

TEST_F(RateProbeRun, FrozenLayersThatAreCachedHaveThemToo) {
  // Two epochs, so that the output of what is frozen is kept.
  expect_losses_of_runs(
      "cached", with(four_grains_, {"tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]", "train.batch_size=64"}), 12,
      2);
}

TEST_F(RateProbeRun, RunsOnAnyNumberOfRanksWithTheSameBits) {
  for (const char* variant : {"lora.rank=0", "lora.rank=4", "train.compress_gradients=bf16"}) {
    std::string expected;
    std::string curve;
    for (const int ranks : {0, 2, 3}) {
      const std::string output = std::string(variant) + "-on-" + std::to_string(ranks);
      const Outcome probed = probe(output, {"--probe-rates", "1e-4..1e-1", "--probe-count", "4", "--probe-steps", "5"},
                                   with(four_grains_, {variant}), ranks);
      ASSERT_EQ(probed.status, 0) << probed.err;
      const std::string bits = record(output).dump();
      if (expected.empty()) {
        expected = bits;
        curve = read(path(output) / "rate-probe.svg");
      }
      EXPECT_EQ(bits, expected) << output;
      EXPECT_TRUE(read(path(output) / "rate-probe.svg") == curve) << output;
    }
  }
}

TEST_F(RateProbeRun, LeavesTheAdviceAndNothingElse) {
  const Outcome probed = probe("out", {"--probe-steps", "8", "--probe-rates", "1e-4,3e-3"}, {"data.cache=false"});
  ASSERT_EQ(probed.status, 0) << probed.err;
  EXPECT_EQ(files_in("out"), (std::vector<std::string>{"rate-probe.json", "rate-probe.svg"}));
  for (const char* words : {"learning rate   training loss  validation loss", "(untrained)", "recommended",
                            "use it       temper train run.toml --set train.learning_rate=0.003", "rate-probe.svg"})
    EXPECT_NE(probed.out.find(words), std::string::npos) << words << "\n" << probed.out;
  EXPECT_NE(probed.err.find("learning rate 0.003: training loss"), std::string::npos) << probed.err;
  const std::string advice = read(path("out/rate-probe.json"));

  // A run in the same folder tells of it, is what it would have been, and leaves the advice.
  const Outcome ran = train("out", {});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_NE(ran.err.find("out/rate-probe.json recommends a learning rate of 0.003; this run has 0.002"),
            std::string::npos)
      << ran.err;
  EXPECT_EQ(ran.err.find("set aside"), std::string::npos) << ran.err;
  ASSERT_EQ(train("plain", {}).status, 0);
  EXPECT_TRUE(weights("out") == weights("plain"));
  EXPECT_EQ(read(path("out/rate-probe.json")), advice);

  // Nor does a probe touch a run that is there.
  const std::string log = read(path("out/metrics.jsonl"));
  ASSERT_EQ(probe("out", {"--probe-steps", "2", "--probe-rates", "1e-4,3e-3"}, {"train.learning_rate=1e-2"}).status, 0);
  EXPECT_EQ(read(path("out/metrics.jsonl")), log);
  EXPECT_TRUE(weights("out") == weights("plain"));
  EXPECT_EQ(Json::parse(train("out", {}).last_line()).at("already_finished"), true);
}

TEST_F(RateProbeRun, GoesOnWhereARateDiverges) {
  const Outcome probed = probe(
      "out", {"--json", "--probe-rates", "1e-3,3e-3,1e5,1e30", "--probe-steps", "8"},
      with(four_grains_, {"train.optimizer=sgd", "train.clip_norm=0", "data.validation=", "train.weight_decay=0"}), 2);
  ASSERT_EQ(probed.status, 0) << probed.err;
  const Json json = Json::parse(probed.last_line());
  const Json& huge = json.at("rates").at(3);
  ASSERT_TRUE(huge.at("not_finite_step").is_number()) << huge;
  EXPECT_EQ(huge.at("losses").size() + 1, huge.at("not_finite_step").get<std::size_t>());
  EXPECT_TRUE(huge.at("training_loss").is_null());
  EXPECT_NE(probed.err.find("diverged, not finite in step"), std::string::npos) << probed.err;
  EXPECT_EQ(json.at("compared_by"), "training_loss");
  ASSERT_TRUE(json.at("recommended").is_number()) << json;
  EXPECT_LT(json.at("recommended").get<double>(), 1e-2);
  EXPECT_EQ(json.at("rates").at(0).at("losses").size(), 8U);
}

TEST_F(RateProbeRun, ProbesTheFirstOfSeveralPhases) {
  // The tiny encoder is random, so that its head alone learns rows by heart and nothing about others.
  const Outcome probed =
      probe("out", {"--probe-rates", "1e-3,1e-2", "--probe-steps", "14"},
            {"data.validation=",
             "tuning.phases=[{ freeze = [\"*\"], epochs = 1, learning_rate = 1e-3 }, { layer_decay = 0.8 }]"});
  ASSERT_EQ(probed.status, 0) << probed.err;
  EXPECT_EQ(record("out").at("key"), "tuning.phases[0].learning_rate");
  EXPECT_NE(probed.out.find("in the first of tuning.phases"), std::string::npos) << probed.out;
  EXPECT_NE(probed.err.find("training 1,155 of"), std::string::npos) << "the head alone, said once\n" << probed.err;
  EXPECT_EQ(probed.err.find("training 1,155 of"), probed.err.rfind("training 1,155 of"));
}

TEST_F(RateProbeRun, AdaptersThatAreMergedFirstStartEachRateAlike) {
  ASSERT_EQ(train("adapter", {"lora.rank=4", "train.learning_rate=1e-2"}).status, 0);
  expect_losses_of_runs("merged",
                        with(four_grains_, {"model.adapter=adapter/model",
                                            "tuning.phases=[{ merge_adapters = true, freeze = [\"embeddings\"] }]"}),
                        3, 2);
}

TEST_F(RateProbeRun, RefusesWhatMeansNothingBesideIt) {
  for (const char* other : {"--resume", "--fresh", "--profile"}) {
    const Outcome refused = probe("out", {other}, {});
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.err.find(std::string(other) + " means nothing beside it"), std::string::npos) << refused.err;
  }
  Invocation alone;
  alone.folder = folder_;
  alone.arguments = {"train", "run.toml", "--probe-steps", "5"};
  const Outcome without = run(alone);
  EXPECT_EQ(without.status, 2);
  EXPECT_NE(without.err.find("--probe-steps says how rates are tried, and without --probe-rate none are"),
            std::string::npos)
      << without.err;
  const Outcome one = probe("out", {"--probe-rates", "1e-3"}, {}, 2);
  EXPECT_EQ(one.status, 2);
  EXPECT_EQ(one.messages().size(), 1U) << one.err;
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(RateProbeRun, NamesWeightsThatNoRateCanTrain) {
  const std::string tensor = spoil_weight("model/model.safetensors");
  const Outcome refused = probe("out", {"--probe-steps", "4"}, {}, 2);
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("the loss of the untrained model is not finite"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find(tensor), std::string::npos) << refused.err;
  EXPECT_FALSE(std::filesystem::exists(path("out/rate-probe.json")));
}

TEST_F(RateProbeRun, ASignalEndsItAndTimeThatIsTooShortIsAnError) {
  Invocation invocation;
  bool sent = false;
  invocation.meanwhile = [&](pid_t process) {
    if (!sent && std::filesystem::exists(path("out/run.lock"))) sent = kill(process, SIGTERM) == 0;
  };
  const Outcome stopped = probe("out", {"--probe-steps", "100000"}, {}, 0, invocation);
  EXPECT_EQ(stopped.status, 75) << stopped.err;
  EXPECT_NE(stopped.err.find("Stopped by a signal"), std::string::npos) << stopped.err;
  EXPECT_FALSE(std::filesystem::exists(path("out/rate-probe.json")));

  const Outcome late = probe("late", {"--probe-steps", "100000"}, {"run.max_minutes=0.02"}, 2);
  EXPECT_EQ(late.status, 1) << late.err;
  EXPECT_NE(late.err.find("with 0 of 7 rates tried; try fewer rates"), std::string::npos) << late.err;
}

}  // namespace
}  // namespace temper::system_tests
