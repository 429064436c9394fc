#include "model/architectures/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "tests/model/huggingface/test_folder.h"
#include "tests/model/packed_batch.h"
#include "tests/places.h"

namespace temper {
namespace {

using testing_support::draw_all;
using testing_support::PackedBatch;

TEST(Registry, HasARowForEachTypeThatCanBeRead) {
  std::set<std::string> prefixes;
  for (const std::string& type : supported_model_types()) {
    const Architecture* architecture = find_architecture(type);
    ASSERT_NE(architecture, nullptr) << type;
    EXPECT_EQ(architecture->model_type, type);
    EXPECT_TRUE(prefixes.emplace(architecture->class_prefix).second) << type;
    const ModelConfig config = parse_model_config("{\"model_type\":\"" + type + "\"}", "");
    const std::unique_ptr<Model> model = make_model(config, {architecture->heads.front(), 2});
    // The name by which a freeze pattern finds the blocks.
    const std::string blocks = model->names().prefix + std::string(architecture->layers) + "0.";
    EXPECT_TRUE(std::any_of(model->parameters().all().begin(), model->parameters().all().end(),
                            [&](const Parameter& p) { return p.name.starts_with(blocks) && p.stage == 1; }))
        << type;
    EXPECT_EQ(model->stages(), config.layers + 1);
    EXPECT_EQ(model->width(), config.width);
  }
  EXPECT_EQ(find_architecture("gpt9"), nullptr);
  ModelConfig unknown;
  unknown.model_type = "gpt9";
  EXPECT_THROW(make_model(unknown, {}), Error);
}

TEST(Registry, NamesTheClassesOfTransformers) {
  const auto class_of = [](const std::string& type, HeadKind kind) {
    return make_model(parse_model_config("{\"model_type\":\"" + type + "\"}", ""), {kind, 2})->class_name();
  };
  EXPECT_EQ(class_of("bert", HeadKind::sequence), "BertForSequenceClassification");
  EXPECT_EQ(class_of("roberta", HeadKind::token), "RobertaForTokenClassification");
  EXPECT_EQ(class_of("distilbert", HeadKind::masked_language_model), "DistilBertForMaskedLM");
  EXPECT_EQ(class_of("xlm-roberta", HeadKind::sequence), "XLMRobertaForSequenceClassification");
  EXPECT_EQ(class_of("camembert", HeadKind::masked_language_model), "CamembertForMaskedLM");
  EXPECT_EQ(class_of("electra", HeadKind::sequence), "ElectraForSequenceClassification");
  EXPECT_EQ(class_of("albert", HeadKind::token), "AlbertForTokenClassification");
  EXPECT_EQ(class_of("mpnet", HeadKind::masked_language_model), "MPNetForMaskedLM");
  EXPECT_EQ(class_of("gpt2", HeadKind::causal_language_model), "GPT2LMHeadModel");
  EXPECT_EQ(class_of("gpt2", HeadKind::sequence), "GPT2ForSequenceClassification");
  EXPECT_EQ(class_of("deberta-v2", HeadKind::sequence), "DebertaV2ForSequenceClassification");
  constexpr std::array kOwn{HeadClass{HeadKind::masked_language_model, "NetLMHeadModel"}};
  const Architecture made_up{"net", "Net", "h.", nullptr, nullptr, kOwn};
  EXPECT_EQ(class_name(made_up, HeadKind::masked_language_model), "NetLMHeadModel");
  EXPECT_EQ(class_name(made_up, HeadKind::sequence), "NetForSequenceClassification");
}

TEST(Registry, ReadsTheHeadFromTheClass) {
  ModelConfig config = parse_model_config(R"({"model_type":"bert"})", "");
  EXPECT_EQ(head_of(config), std::nullopt);
  for (const HeadKind kind : kHeadKinds) {
    config.architectures = {class_name(architecture_of(config), kind)};
    EXPECT_EQ(head_of(config), kind) << config.architectures.front();
  }
  config.architectures = {"BertModel"};
  EXPECT_EQ(head_of(config), std::nullopt);
}

TEST(Registry, AHeadThatAnArchitectureLacksIsRefusedWithThoseThatItHas) {
  const ModelConfig config = parse_model_config(R"({"model_type":"bert"})", "some/folder");
  testing_support::expect_refusal(
      [&] {
        make_model(config, {HeadKind::causal_language_model, 0});
      },
      {"some/folder/config.json", "\"bert\" has no BertForCausalLM",
       "BertForSequenceClassification, BertForTokenClassification, BertForMaskedLM"});
}

TEST(Registry, UntiedLanguageModelsHaveOutputEmbeddingsOfTheirOwn) {
  for (const std::string& type : supported_model_types()) {
    const Architecture& architecture = *find_architecture(type);
    for (const HeadKind kind : architecture.heads) {
      if (!is_over_vocabulary(kind)) continue;
      const std::string keys = "{\"model_type\":\"" + type + "\",\"vocab_size\":97";
      const auto parameters_over_words = [&](const std::string& config) {
        const auto model = make_model(parse_model_config(config, ""), {kind, 0});
        const auto& all = model->parameters().all();
        return std::count_if(all.begin(), all.end(),
                             [](const Parameter& p) { return p.shape.dimensions() == 2 && p.shape[0] == 97; });
      };
      EXPECT_EQ(parameters_over_words(keys + R"(,"tie_word_embeddings":true})"), 1) << type;
      EXPECT_EQ(parameters_over_words(keys + R"(,"tie_word_embeddings":false})"), 2) << type;
    }
  }
}

/// Where dropout is: what is kept is divided by 1 - rate, so over numbers that are all one, what comes out tells the
/// rate.
class DropoutRates : public testing::Test {
 protected:
  static constexpr std::int64_t kWidth = 64;

  static std::string config(const std::string& type, const std::string& keys) {
    return R"({"model_type":")" + type +
           R"(","vocab_size":5,"hidden_size":64,"num_hidden_layers":1,"num_attention_heads":1,"hidden_dim":8,)"
           R"("intermediate_size":8,"max_position_embeddings":16,)" +
           keys + "}";
  }
  /// Of the head's last dropout: it reads ones, and its matrices are the identity.
  double head_rate(const std::string& json, HeadKind kind, double dropout = -1.0) {
    const auto model = make_model(parse_model_config(json, ""), {kind, kWidth}, dropout);
    draw_all(*model, *device_);
    for (const Parameter& parameter : model->parameters().all()) {
      if (parameter.role != ParameterRole::head) continue;
      std::vector<float> values(static_cast<std::size_t>(parameter.size()), 0.0F);
      for (std::size_t i = 0; parameter.shape.dimensions() == 2 && i < kWidth; ++i) values[i * kWidth + i] = 1.0F;
      parameter.variable.set_value(device_->upload(std::span<const float>(values), parameter.shape));
    }
    const std::vector<float> ones(3 * kWidth, 1.0F);
    const Variable hidden(device_->upload(std::span<const float>(ones), {3, kWidth}));
    const auto logits = [&](Tape::Mode mode) {
      Tape tape(*device_, mode, {1, 2});
      const Variable out = model->forward(tape, batch_.input, batch_.first_tokens, {.stages = 2, .output = hidden});
      const std::vector<float> values = device_->download<float>(out.value());
      return *std::max_element(values.begin(), values.end());
    };
    return 1.0 - logits(Tape::Mode::evaluation) / logits(Tape::Mode::training);
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  PackedBatch batch_{*device_, {4, 4, 4}};
};

TEST_F(DropoutRates, OfHeads) {
  EXPECT_NEAR(head_rate(config("bert", R"("hidden_dropout_prob":0.25)"), HeadKind::sequence), 0.25, 1e-5);
  EXPECT_NEAR(head_rate(config("bert", R"("classifier_dropout":0.5)"), HeadKind::token), 0.5, 1e-5);
  EXPECT_NEAR(head_rate(config("roberta", R"("classifier_dropout":0.75)"), HeadKind::token), 0.75, 1e-5);
  EXPECT_NEAR(head_rate(config("distilbert", R"("dropout":0.5)"), HeadKind::sequence), 0.2, 1e-5);
  EXPECT_NEAR(head_rate(config("distilbert", R"("seq_classif_dropout":null,"dropout":0.5)"), HeadKind::sequence), 0.5,
              1e-5);
  EXPECT_NEAR(head_rate(config("distilbert", R"("seq_classif_dropout":0.25)"), HeadKind::sequence), 0.25, 1e-5);
  EXPECT_NEAR(head_rate(config("distilbert", R"("dropout":0.5)"), HeadKind::token), 0.5, 1e-5)
      << "of transformers' head over tokens";
  for (const HeadKind kind : {HeadKind::sequence, HeadKind::token}) {
    EXPECT_NEAR(head_rate(config("albert", R"("hidden_dropout_prob":0.5)"), kind), 0.1, 1e-5);
    EXPECT_NEAR(head_rate(config("albert", R"("classifier_dropout_prob":0.25)"), kind), 0.25, 1e-5);
    EXPECT_NEAR(head_rate(config("albert", R"("hidden_dropout_prob":0.5,"classifier_dropout_prob":null)"), kind), 0.5,
                1e-5);
  }
}

TEST_F(DropoutRates, OneRateMayReplaceThemAll) {
  for (const char* type : {"bert", "distilbert"})
    EXPECT_NEAR(head_rate(config(type, R"("dropout":0.5)"), HeadKind::sequence, 0.625), 0.625, 1e-5) << type;
}

}  // namespace
}  // namespace temper
