#include "model/freezing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/error.h"
#include "model/registry.h"

namespace temper {
namespace {

ModelConfig small_config(const std::string& type) {
  ModelConfig config;
  config.model_type = type;
  config.vocabulary_size = 20;
  config.width = 8;
  config.layers = 4;
  config.heads = 2;
  config.intermediate_width = 16;
  config.max_positions = 12;
  config.type_vocabulary_size = 2;
  config.layer_norm_epsilon = 1e-12F;
  config.activation = "gelu";
  config.initializer_range = 0.02F;
  return config;
}

class Freezing : public testing::Test {
 protected:
  std::set<std::string> trainable(const std::vector<std::string>& patterns) {
    apply_freezing(*model_, patterns);
    std::set<std::string> names;
    for (const Parameter& parameter : model_->parameters().all())
      if (parameter.trainable()) names.insert(parameter.name);
    return names;
  }
  bool has_layer(const std::set<std::string>& names, int layer) {
    return names.contains("bert.encoder.layer." + std::to_string(layer) + ".output.dense.weight");
  }

  std::unique_ptr<Model> model_ = make_model(small_config("bert"), {Task::sequence_classification, 3});
};

TEST_F(Freezing, WithoutPatternsEverythingIsTrained) {
  EXPECT_EQ(trainable({}).size(), model_->parameters().all().size());
}

TEST_F(Freezing, ANameCoversTheModuleWithAndWithoutPrefix) {
  EXPECT_FALSE(trainable({"embeddings"}).contains("bert.embeddings.word_embeddings.weight"));
  EXPECT_FALSE(trainable({"bert.embeddings"}).contains("bert.embeddings.LayerNorm.bias"));
  EXPECT_TRUE(trainable({"embeddings"}).contains("bert.encoder.layer.0.output.dense.weight"));
}

TEST_F(Freezing, ARangeCoversItsLayers) {
  const auto names = trainable({"encoder.layer.1-2"});
  EXPECT_TRUE(has_layer(names, 0));
  EXPECT_FALSE(has_layer(names, 1));
  EXPECT_FALSE(has_layer(names, 2));
  EXPECT_TRUE(has_layer(names, 3));
}

TEST_F(Freezing, AGlobCoversPartsOfNames) {
  const auto names = trainable({"encoder.layer.*.attention", "*.LayerNorm"});
  EXPECT_FALSE(names.contains("bert.encoder.layer.2.attention.self.key.bias"));
  EXPECT_FALSE(names.contains("bert.embeddings.LayerNorm.weight"));
  EXPECT_TRUE(has_layer(names, 2));
}

TEST_F(Freezing, AStarAloneLeavesTheHead) {
  EXPECT_EQ(trainable({"*"}), (std::set<std::string>{"bert.pooler.dense.weight", "bert.pooler.dense.bias",
                                                     "classifier.weight", "classifier.bias"}));
}

TEST_F(Freezing, APatternThatCoversNothingIsRefusedWithTheModules) {
  try {
    apply_freezing(*model_, std::vector<std::string>{"encodr.layer.0"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("encoder.layer.0"), std::string::npos) << error.what();
  }
}

TEST_F(Freezing, NumbersBeyondTheModelAreRefusedWithItsLayers) {
  const auto refusal = [&](const std::function<void()>& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "";
  };
  for (const std::string pattern : {"encoder.layer.0-20", "bert.encoder.layer.2-4", "*.layer.0-4.attention",
                                    "encoder.layer.4", "encoder.layer.7-9"}) {
    const std::string freezing = refusal([&] { apply_freezing(*model_, std::vector<std::string>{pattern}); });
    EXPECT_NE(
        freezing.find("tuning.freeze: the pattern '" + pattern + "' goes beyond this model, which has 4 layers: "),
        std::string::npos)
        << freezing;
    EXPECT_TRUE(freezing.ends_with("encoder.layer.0 to bert.encoder.layer.3") ||
                freezing.ends_with("encoder.layer.0 to encoder.layer.3"))
        << freezing;
    const std::vector<std::pair<std::string, double>> rates{{pattern, 2.0}};
    EXPECT_NE(
        refusal([&] { learning_rate_factors(*model_, 1.0, rates); }).find("tuning.rates: the pattern '" + pattern),
        std::string::npos);
  }
  EXPECT_NE(refusal([&] { apply_freezing(*model_, std::vector<std::string>{"encoder.layer.3-1"}); }).find("backwards"),
            std::string::npos);
  EXPECT_EQ(refusal([&] { apply_freezing(*model_, std::vector<std::string>{"encoder.layer.0-3", "*.layer.*"}); }), "");
}

TEST_F(Freezing, FreezingEverythingIsRefused) {
  EXPECT_THROW(apply_freezing(*model_, std::vector<std::string>{"*", "pooler", "classifier"}), Error);
}

TEST_F(Freezing, LayerDecayCountsDownFromTheHead) {
  const auto factors = learning_rate_factors(*model_, 0.5, {});
  const auto& parameters = model_->parameters().all();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double expected = std::pow(0.5, static_cast<double>(5 - parameters[i].depth));
    EXPECT_DOUBLE_EQ(factors[i], expected) << parameters[i].name;
  }
  EXPECT_DOUBLE_EQ(factors.back(), 1.0);
  EXPECT_DOUBLE_EQ(factors.front(), std::pow(0.5, 5));
}

TEST_F(Freezing, TheLastRateThatCoversAParameterWins) {
  const std::vector<std::pair<std::string, double>> rates{{"classifier", 10.0}, {"classifier.bias", 2.0}};
  const auto factors = learning_rate_factors(*model_, 1.0, rates);
  EXPECT_DOUBLE_EQ(factors[factors.size() - 2], 10.0);
  EXPECT_DOUBLE_EQ(factors[factors.size() - 1], 2.0);
}

TEST(Registry, ListsWhatIsSupported) {
  try {
    make_model(small_config("gpt9"), {});
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string sentence = error.what();
    for (const char* name : {"gpt9", "bert", "roberta", "distilbert"})
      EXPECT_NE(sentence.find(name), std::string::npos) << sentence;
  }
}

}  // namespace
}  // namespace temper
