// Runs that train adapters: the same bits on any ranks, what they leave behind, and what can be done with it.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "model/huggingface/safetensors.h"
#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class LoraRun : public TinyRun {
 protected:
  [[nodiscard]] Outcome temper(const std::vector<std::string>& arguments, int ranks = 0) const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    invocation.folder = folder_;
    return run(invocation);
  }
  [[nodiscard]] std::string adapter(const std::string& output) const {
    return read(folder_ / output / "model" / "adapter_model.safetensors");
  }
  [[nodiscard]] static std::vector<std::string> with(std::vector<std::string> overrides,
                                                     const std::vector<std::string>& more) {
    overrides.insert(overrides.end(), more.begin(), more.end());
    return overrides;
  }
  static std::vector<Json> rows(const Outcome& outcome) {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    std::vector<Json> found;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) found.push_back(Json::parse(line));
    return found;
  }
  /// The largest difference of probabilities between two lists of predictions.
  static double distance(const std::vector<Json>& a, const std::vector<Json>& b) {
    EXPECT_EQ(a.size(), b.size());
    double most = 0.0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      for (const auto& [label, probability] : a[i].at("probabilities").items())
        most = std::max(most, std::abs(probability.get<double>() - b[i].at("probabilities").at(label).get<double>()));
    return most;
  }

  const std::vector<std::string> overrides_{
      "lora.rank=4",    "lora.alpha=8",   "lora.dropout=0.1",    "train.learning_rate=5e-3",
      "train.grains=4", "train.epochs=2", "train.clip_norm=0.5", "output.tensorboard=false"};
};

TEST_F(LoraRun, HasTheSameBitsOnOneToFourRanks) {
  for (const char* variant : {"lora.dora=false", "lora.dora=true"}) {
    const std::vector<std::string> overrides = with(overrides_, {variant, "train.gradient_accumulation=2"});
    const std::string name = std::string(variant).substr(10);
    const Outcome alone = train(name, overrides);
    ASSERT_EQ(alone.status, 0) << alone.err;
    const std::string expected = adapter(name);
    ASSERT_FALSE(expected.empty());
    for (const int ranks : {2, 3, 4}) {
      const std::string output = name + "-on-" + std::to_string(ranks);
      const Outcome outcome = train(output, overrides, ranks);
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      EXPECT_TRUE(adapter(output) == expected) << variant << " on " << ranks << " ranks";
    }
    const Outcome again = train(name + "-again", with(overrides, {"train.checkpoint_activations=blocks"}), 2);
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_TRUE(adapter(name + "-again") == expected) << "activations computed again";
  }
}

TEST_F(LoraRun, InBFloat16HasTheSameBitsOnOneToFourRanks) {
  const std::vector<std::string> overrides =
      with(overrides_, {"train.precision=bf16", "train.epochs=1", "train.gradient_accumulation=2"});
  const Outcome alone = train("alone", overrides);
  ASSERT_EQ(alone.status, 0) << alone.err;
  if (alone.err.find("computes in f32") != std::string::npos) GTEST_SKIP() << "skipped: no bf16 here";
  ASSERT_EQ(train("f32", with(overrides, {"train.precision=f32"})).status, 0);
  EXPECT_FALSE(adapter("f32") == adapter("alone"));
  for (const int ranks : {2, 3, 4}) {
    const std::string output = "on-" + std::to_string(ranks);
    const Outcome outcome = train(output, overrides, ranks);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(adapter(output) == adapter("alone")) << ranks << " ranks";
  }
}

TEST_F(LoraRun, ResumesWithTheSameBitsAndSavesNothingOfTheBase) {
  const std::vector<std::string> overrides = with(overrides_, {"checkpoint.every_steps=5", "checkpoint.keep=20"});
  const Outcome whole = train("whole", overrides);
  ASSERT_EQ(whole.status, 0) << whole.err;
  const std::filesystem::path first = path("whole/checkpoints/checkpoint-00000005.h5");
  ASSERT_TRUE(std::filesystem::exists(first));
  ASSERT_EQ(train("full", {"train.max_steps=5"}).status, 0);
  EXPECT_LT(std::filesystem::file_size(first),
            std::filesystem::file_size(path("full/checkpoints/checkpoint-00000005.h5")) / 2);
  EXPECT_EQ(read(first).find("query.weight"), std::string::npos) << "no weight of the base";
  std::filesystem::create_directories(path("part/checkpoints"));
  std::filesystem::copy_file(first, path("part/checkpoints/checkpoint-00000005.h5"));
  const Outcome rest = train("part", overrides, 2);
  ASSERT_EQ(rest.status, 0) << rest.err;
  EXPECT_TRUE(adapter("part") == adapter("whole"));
}

TEST_F(LoraRun, LeavesAnAdapterThatServesAndIsMerged) {
  const Outcome trained = train("out", with(overrides_, {"train.epochs=10"}));
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.err.find("adapters of rank 4 at"), std::string::npos) << trained.err;
  const Json config = Json::parse(read(path("out/model/adapter_config.json")));
  EXPECT_EQ(config.at("r"), 4);
  EXPECT_EQ(config.at("task_type"), "SEQ_CLS");
  EXPECT_EQ(config.at("base_model_name_or_path"), "model");
  EXPECT_FALSE(std::filesystem::exists(path("out/model/config.json")));

  const Json shown = Json::parse(temper({"inspect", "out/model", "--json"}).last_line());
  EXPECT_EQ(shown.at("kind"), "adapter");
  EXPECT_EQ(shown.at("base_model"), "model");
  EXPECT_EQ(shown.at("r"), 4);
  EXPECT_EQ(shown.at("training").at("task"), "sequence-classification");

  // The run's own measure, and what serves it: the adapter's folder, or the base with the adapter on it.
  const Json test = Json::parse(trained.last_line()).at("test");
  for (const std::vector<std::string>& what :
       {std::vector<std::string>{"out/model"}, {"model", "--adapter", "out/model"}}) {
    std::vector<std::string> arguments{"eval"};
    arguments.insert(arguments.end(), what.begin(), what.end());
    arguments.insert(arguments.end(), {"data/test.csv", "--json"});
    const Outcome measured = temper(arguments);
    ASSERT_EQ(measured.status, 0) << measured.err;
    EXPECT_EQ(Json::parse(measured.last_line()).at("accuracy"), test.at("accuracy"));
    EXPECT_GT(test.at("accuracy").get<double>(), 0.5);
  }
  const auto served = rows(temper({"predict", "model", "data/test.csv", "--adapter", "out/model"}));

  const Outcome merged = temper({"export", "out/model", "--merge", "-o", "merged"});
  ASSERT_EQ(merged.status, 0) << merged.err;
  EXPECT_LT(distance(rows(temper({"predict", "merged", "data/test.csv"})), served), 1e-5);

  // From its checkpoint: the same adapter, and the same merged model.
  std::string checkpoint;
  for (const auto& entry : std::filesystem::directory_iterator(path("out/checkpoints"))) {
    if (entry.path().extension() == ".h5") checkpoint = std::max(checkpoint, entry.path().string());
  }
  ASSERT_EQ(temper({"export", checkpoint, "-o", "again"}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(path("again/adapter_config.json")));
  ASSERT_EQ(temper({"export", checkpoint, "--merge", "-o", "merged-again"}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(path("merged-again/model.safetensors")));
  EXPECT_NE(temper({"export", checkpoint, "--merge", "--adapter", "-o", "both"}).status, 0);
  // Neither takes the other's place, nor that of what it is made of.
  EXPECT_NE(temper({"export", checkpoint, "-o", "merged"}).err.find("which an adapter would replace"),
            std::string::npos);
  EXPECT_NE(temper({"export", "out/model", "--merge", "-o", "out/model"}).err.find("which a model would replace"),
            std::string::npos);
  EXPECT_EQ(temper({"export", checkpoint, "--merge", "-o", "merged-again"}).status, 0);

  // Plain adapters add up: twice the same one, once merged and once beside, is the adapter on the merged model.
  const auto twice =
      rows(temper({"predict", "model", "data/test.csv", "--adapter", "out/model", "--adapter", "out/model"}));
  EXPECT_GT(distance(twice, served), 1e-4);
}

TEST_F(LoraRun, GoesOnWithAnAdapter) {
  ASSERT_EQ(train("first", overrides_).status, 0);
  const Outcome second =
      train("second", {"model.adapter=first/model", "train.epochs=1", "train.learning_rate=1e-3"}, 2);
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_FALSE(adapter("second") == adapter("first"));
  const Json before = Json::parse(read(path("first/model/adapter_config.json")));
  EXPECT_EQ(Json::parse(read(path("second/model/adapter_config.json"))), before) << "its settings are its own";

  // Another base of the same shape is told by its digest.
  std::filesystem::copy(path("model"), path("other"));
  (void)spoil_weight("other/model.safetensors");
  const Outcome refused = temper({"predict", "other", "data/test.csv", "--adapter", "first/model"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("was trained on a base model with SHA-256"), std::string::npos) << refused.err;
  const Outcome not_trained = train("third", {"model.path=other", "model.adapter=first/model"});
  EXPECT_EQ(not_trained.status, 1);
  EXPECT_NE(not_trained.err.find("was trained on a base model with SHA-256"), std::string::npos) << not_trained.err;
}

TEST_F(LoraRun, APhaseMayMergeThemAndTrainTheModel) {
  const std::vector<std::string> overrides = with(
      overrides_, {"tuning.phases=[{ epochs = 1 }, { merge_adapters = true, epochs = 1, learning_rate = 1e-3 }]",
                   "checkpoint.every_steps=2", "checkpoint.keep=100", "data.validation=", "lora.targets=attention"});
  const Outcome whole = train("whole", overrides);
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_NE(whole.err.find("the adapters are merged"), std::string::npos) << whole.err;
  ASSERT_TRUE(std::filesystem::exists(path("whole/model/config.json")));
  const Outcome on_two = train("on-2", overrides, 2);
  ASSERT_EQ(on_two.status, 0) << on_two.err;
  EXPECT_TRUE(weights("on-2") == weights("whole"));
  // From within each phase, and from the border between them.
  std::vector<std::string> checkpoints;
  for (const auto& entry : std::filesystem::directory_iterator(path("whole/checkpoints")))
    if (entry.path().extension() == ".h5") checkpoints.push_back(entry.path().filename());
  std::sort(checkpoints.begin(), checkpoints.end());
  ASSERT_GE(checkpoints.size(), 6U);
  for (std::size_t i = 0; i + 1 < checkpoints.size(); i += 2) {
    const std::string output = "from-" + std::to_string(i);
    std::filesystem::create_directories(path(output + "/checkpoints"));
    std::filesystem::copy_file(path("whole/checkpoints/" + checkpoints[i]),
                               path(output + "/checkpoints/" + checkpoints[i]));
    const Outcome rest = train(output, overrides);
    ASSERT_EQ(rest.status, 0) << rest.err;
    EXPECT_TRUE(weights(output) == weights("whole")) << checkpoints[i];
  }
  // What a checkpoint becomes depends on its phase.
  ASSERT_EQ(temper({"export", "whole/checkpoints/" + checkpoints.front(), "-o", "first"}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(path("first/adapter_config.json")));
  ASSERT_EQ(temper({"export", "whole/checkpoints/" + checkpoints.back(), "-o", "last"}).status, 0);
  EXPECT_TRUE(read(path("last/model.safetensors")) == weights("whole"));
}

TEST_F(LoraRun, TellsWhatIsWrongBeforeTheFirstStep) {
  const auto refusal = [&](const std::vector<std::string>& overrides) {
    const Outcome outcome = train("refused", overrides);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path("refused/checkpoints")));
    return outcome.err;
  };
  EXPECT_NE(refusal({"lora.rank=4", R"(lora.targets=["qurey"])"}).find("did you mean 'query'?"), std::string::npos);
  EXPECT_NE(refusal({"lora.alpha=4"}).find("lora.rank is 0"), std::string::npos);
  EXPECT_NE(refusal({"lora.rank=4", "model.initialize=true"}).find("a model from nothing"), std::string::npos);
  EXPECT_NE(refusal({"lora.rank=4", "lora.targets=query"}).find(R"(write a list: ["query"])"), std::string::npos);
  EXPECT_NE(refusal({"lora.rank=4", "lora.layers=[0]"}).find("name modules in an array"), std::string::npos);

  ASSERT_EQ(train("out", with(overrides_, {"train.epochs=1"})).status, 0);
  EXPECT_NE(refusal({"model.adapter=out/model", "lora.dropout=0.5"}).find("has no effect"), std::string::npos);
  const Outcome as_model = temper({"train", "run.toml", "--set", "model.path=out/model", "--set", "output.dir=x"});
  EXPECT_NE(as_model.err.find("is an adapter, expected a model folder"), std::string::npos) << as_model.err;
  write("empty/adapter_config.json", R"({"peft_type": "LORA", "target_modules": ["query"]})");
  const Outcome no_weights = temper({"predict", "model", "data/test.csv", "--adapter", "empty"});
  EXPECT_EQ(no_weights.status, 1);
  EXPECT_NE(no_weights.err.find("adapter_model.safetensors: no such file"), std::string::npos) << no_weights.err;
}

TEST_F(LoraRun, IsPlannedWithItsAdapters) {
  const auto plan = [&](const std::vector<std::string>& overrides) {
    std::vector<std::string> arguments{"plan", "run.toml", "--ranks", "2", "--json"};
    for (const std::string& text : overrides) arguments.insert(arguments.end(), {"--set", text});
    const Outcome outcome = temper(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.last_line());
  };
  const Json full = plan({});
  const Json lora = plan({"lora.rank=4"});
  EXPECT_NE(full, lora);
  // Parts of the head that the base lacks are trained along, and counted: as many numbers as the adapter's file holds.
  ASSERT_EQ(train("out", with(overrides_, {"train.epochs=1"})).status, 0);
  std::int64_t numbers = 0;
  const SafetensorsFile adapter(path("out/model/adapter_model.safetensors"));
  for (const auto& [name, view] : adapter.tensors())
    numbers += static_cast<std::int64_t>(view.bytes.size() / sizeof(float));
  EXPECT_EQ(lora["phases"][0]["trainable"], numbers);
}

}  // namespace
}  // namespace temper::system_tests
