#include "model/freezing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/error.h"
#include "model/architectures/registry.h"

namespace temper {
namespace {

constexpr const char* kBertOfFourLayers =
    R"({"model_type":"bert","vocab_size":20,"hidden_size":8,"num_hidden_layers":4,"num_attention_heads":2,)"
    R"("intermediate_size":16,"max_position_embeddings":12})";

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

  std::unique_ptr<Model> model_ = make_model(parse_model_config(kBertOfFourLayers, ""), {HeadKind::sequence, 3});
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

TEST(LowerHalf, IsTheInputLayerAndWhatHasWeightsOfItsOwn) {
  const auto patterns = [](const std::string& keys) {
    const ModelConfig config = parse_model_config("{" + keys + R"(,"hidden_size":8,"num_attention_heads":2})", "");
    const auto model = make_model(config, {HeadKind::sequence, 3});
    std::vector<std::string> found = lower_half_patterns(*model, architecture_of(config).layers);
    if (!found.empty()) {
      apply_freezing(*model, found);
      EXPECT_GT(model->frozen_stages(), 1) << keys;
      EXPECT_LE(model->frozen_stages(), (model->stages() - 1) / 2 + 1) << keys;
    }
    return found;
  };
  using Patterns = std::vector<std::string>;
  EXPECT_EQ(patterns(R"("model_type":"bert")"), (Patterns{"embeddings", "encoder.layer.0-5"}));
  EXPECT_EQ(patterns(R"("model_type":"bert","num_hidden_layers":3)"), (Patterns{"embeddings", "encoder.layer.0-0"}));
  EXPECT_EQ(patterns(R"("model_type":"bert","num_hidden_layers":1)"), Patterns());
  EXPECT_EQ(patterns(R"("model_type":"electra","num_hidden_layers":4)"),
            (Patterns{"embeddings", "embeddings_project", "encoder.layer.0-1"}));
  EXPECT_EQ(patterns(R"("model_type":"gpt2")"), (Patterns{"wte", "wpe", "h.0-5"}));
  EXPECT_EQ(patterns(R"("model_type":"mpnet","num_hidden_layers":4)"),
            (Patterns{"embeddings", "encoder.relative_attention_bias", "encoder.layer.0-1"}));
  EXPECT_EQ(
      patterns(R"("model_type":"deberta-v2","num_hidden_layers":4,"relative_attention":true,"conv_kernel_size":3)"),
      (Patterns{"embeddings", "encoder.rel_embeddings", "encoder.conv", "encoder.layer.0-1"}));
  EXPECT_EQ(patterns(R"("model_type":"albert")"), Patterns()) << "all layers are one";
  EXPECT_EQ(patterns(R"("model_type":"albert","num_hidden_groups":3)"),
            (Patterns{"embeddings", "encoder.embedding_hidden_mapping_in", "encoder.albert_layer_groups.0-0"}));
}

TEST_F(Freezing, AStarAloneLeavesTheHead) {
  EXPECT_EQ(trainable({"*"}), (std::set<std::string>{"bert.pooler.dense.weight", "bert.pooler.dense.bias",
                                                     "classifier.weight", "classifier.bias"}));
}

TEST_F(Freezing, APatternThatCoversNothingIsRefusedWithTheNearest) {
  const auto refusal = [&](const std::string& pattern, const std::string& key) -> std::string {
    try {
      apply_freezing(*model_, std::vector<std::string>{pattern}, key);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "";
  };
  const std::string nothing = "' covers no parameter of this model; ";
  for (const auto& [wrong, right] : {std::pair<std::string, std::string>{"embedings", "embeddings"},
                                     {"encodr.layer.0", "encoder.layer.0"},
                                     {"encodr.layer.0-2.atention", "encoder.layer.0-2.attention"},
                                     {"bert.encoder.layr.*", "bert.encoder.layer.*"}})
    EXPECT_EQ(refusal(wrong, "tuning.phases, phase 2"),
              "tuning.phases, phase 2: the pattern '" + wrong + nothing + "did you mean '" + right + "'?");
  const std::string far = refusal("qqqqqqqqqqqq", "tuning.freeze");
  EXPECT_TRUE(far.starts_with("tuning.freeze: the pattern 'qqqqqqqqqqqq" + nothing + "its modules are ")) << far;
  for (const char* module : {" embeddings,", " encoder.layer.0,", " classifier"})
    EXPECT_NE(far.find(module), std::string::npos) << far;
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
    const double expected = std::pow(0.5, static_cast<double>(5 - parameters[i].stage));
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

TEST_F(Freezing, AStarAloneCoversWeightsAndNothingElse) {
  ParameterList& list = model_->parameters();
  list.add({"bert.encoder.layer.0.low_rank", {2, 8}, 1, ParameterRole::adapter});
  list.add({"bert.encoder.layer.0.running_mean", {8}, 1, ParameterRole::statistic});
  EXPECT_TRUE(trainable({"*"}).contains("bert.encoder.layer.0.low_rank"));
  EXPECT_FALSE(trainable({}).contains("bert.encoder.layer.0.running_mean")) << "nobody trains what is measured";
}

}  // namespace
}  // namespace temper
