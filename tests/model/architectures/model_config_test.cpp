#include "model/architectures/model_config.h"

#include <gtest/gtest.h>

#include "model/activation_names.h"
#include "model/architectures/post_norm_encoder.h"
#include "model/architectures/registry.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/places.h"

namespace temper {
namespace {

using testing_support::expect_refusal;
using testing_support::TestFolder;

ModelConfig read(const std::string& json) {
  const TestFolder folder;
  folder.write("config.json", json);
  return read_model_config(folder.path());
}

/// A config.json of this family with one more key is refused with the file's name and the parts.
void expect_refused(const std::string& model_type, const std::string& key,
                    std::initializer_list<std::string_view> parts) {
  const std::string json = R"({"model_type":")" + model_type + "\"," + key + "}";
  expect_refusal([&] { read(json); }, {"config.json"});
  expect_refusal([&] { read(json); }, parts);
}

/// What a configuration says of the network's computation.
std::string definition(const std::string& json) {
  return make_model(parse_model_config(json, ""), {HeadKind::sequence, 3})->definition();
}

Shape shape_of(const std::string& json, const std::string& parameter, HeadKind kind = HeadKind::sequence) {
  return make_model(parse_model_config(json, ""), {kind, 3})->parameters().find(parameter)->shape;
}

TEST(ModelConfig, BertDefaults) {
  const ModelConfig config = read(R"({"model_type":"bert"})");
  EXPECT_EQ(config.model_type, "bert");
  EXPECT_EQ(config.vocabulary_size, 30522);
  EXPECT_EQ(config.width, 768);
  EXPECT_EQ(config.layers, 12);
  EXPECT_EQ(config.heads, 12);
  EXPECT_EQ(config.intermediate_width, 3072);
  EXPECT_EQ(config.type_vocabulary_size, 2);
  EXPECT_EQ(config.longest_sequence, 512);
  EXPECT_TRUE(config.labels.empty());
  EXPECT_TRUE(config.problem_type.empty());
  EXPECT_TRUE(config.architectures.empty());
  EXPECT_EQ(config.json, R"({"model_type":"bert"})");
  EXPECT_EQ(definition(config.json), "bert of 12 layers, 12 heads, gelu, epsilon 1e-12, positions from 0");
  const PostNormEncoder bert = read_bert_keys(ConfigKeys(config.json, "config.json"), {30522, 0});
  EXPECT_EQ(bert.embedding_dropout, 0.1F);
  EXPECT_EQ(bert.feed_forward_dropout, 0.1F);
  EXPECT_EQ(bert.attention_output_dropout, 0.1F);
  EXPECT_EQ(bert.attention_probability_dropout, 0.1F);
  EXPECT_EQ(bert.sequence_head_dropout, 0.1F);
  EXPECT_EQ(bert.token_head_dropout, 0.1F);
  EXPECT_EQ(bert.initializer_range, 0.02F);
}

TEST(ModelConfig, RobertaCountsPositionsFromThePadding) {
  const std::string json = R"({"model_type":"roberta","max_position_embeddings":514})";
  const ModelConfig config = read(json);
  EXPECT_EQ(config.vocabulary_size, 50265);
  EXPECT_EQ(config.longest_sequence, 512);
  EXPECT_EQ(definition(json), "roberta of 12 layers, 12 heads, gelu, epsilon 1e-12, positions from 2");
  EXPECT_EQ(read(R"({"model_type":"roberta","pad_token_id":4})").longest_sequence, 507);
  expect_refused("roberta", R"("pad_token_id":null)", {"\"pad_token_id\"", "null"});
  expect_refused("roberta", R"("max_position_embeddings":2)", {"max_position_embeddings", "room for one token"});
}

TEST(ModelConfig, XlmRobertaAndCamembertAreRobertaWithDefaultsOfTheirOwn) {
  for (const std::string type : {"xlm-roberta", "camembert"}) {
    const std::string json = R"({"model_type":")" + type + "\"}";
    const ModelConfig config = read(json);
    EXPECT_EQ(config.vocabulary_size, 30522);
    EXPECT_EQ(config.longest_sequence, 510);
    EXPECT_EQ(definition(json), type + " of 12 layers, 12 heads, gelu, epsilon 1e-12, positions from 2");
    EXPECT_EQ(shape_of(json, "classifier.out_proj.weight"), Shape({3, 768}));
    EXPECT_EQ(shape_of(json, "lm_head.bias", HeadKind::masked_language_model), Shape({30522}));
    EXPECT_EQ(shape_of(json, "roberta.embeddings.token_type_embeddings.weight"), Shape({2, 768}));
    expect_refused(type, R"("pad_token_id":null)", {"\"pad_token_id\"", "null"});
  }
}

TEST(ModelConfig, MpnetHasABiasByDistanceAndRobertasPositions) {
  const std::string json = R"({"model_type":"mpnet"})";
  const ModelConfig config = read(json);
  EXPECT_EQ(config.vocabulary_size, 30527);
  EXPECT_EQ(config.type_vocabulary_size, 0);
  EXPECT_EQ(config.longest_sequence, 510);
  EXPECT_EQ(read(R"({"model_type":"mpnet","pad_token_id":7})").longest_sequence, 510)
      << "it counts from 2 all the same";
  EXPECT_EQ(shape_of(json, "mpnet.encoder.relative_attention_bias.weight"), Shape({32, 12}));
  EXPECT_EQ(shape_of(json, "lm_head.bias", HeadKind::masked_language_model), Shape({30527}));
  const std::unique_ptr<Model> model = make_model(parse_model_config(json, ""), {HeadKind::sequence, 3});
  EXPECT_EQ(model->parameters().find("mpnet.encoder.relative_attention_bias.weight")->stage, 1);
  expect_refused("mpnet", R"("relative_attention_num_buckets":16)", {"relative_attention_num_buckets", "32 or more"});
  expect_refused("mpnet", R"("max_position_embeddings":2)", {"max_position_embeddings"});
}

TEST(ModelConfig, DebertaHasNoRelativePositionsUnlessTheFileSaysSo) {
  const std::string plain = R"({"model_type":"deberta-v2"})";
  const ModelConfig config = read(plain);
  EXPECT_EQ(config.width, 1536);
  EXPECT_EQ(config.layers, 24);
  EXPECT_EQ(config.longest_sequence, 512);
  EXPECT_EQ(config.type_vocabulary_size, 0);
  const auto has = [](const std::string& json, const std::string& name) {
    return make_model(parse_model_config(json, ""), {HeadKind::sequence, 3})->parameters().find(name) != nullptr;
  };
  EXPECT_FALSE(has(plain, "deberta.encoder.rel_embeddings.weight"));
  EXPECT_TRUE(has(plain, "deberta.embeddings.position_embeddings.weight"));
  EXPECT_FALSE(has(plain, "deberta.embeddings.token_type_embeddings.weight"));

  // As the third version's files are.
  const std::string third =
      R"({"model_type":"deberta-v2","hidden_size":12,"num_hidden_layers":2,"num_attention_heads":3,"relative_attention":true,)"
      R"("pos_att_type":"p2c | c2p","position_buckets":256,"norm_rel_ebd":"layer_norm","share_att_key":true,)"
      R"("position_biased_input":false,"max_relative_positions":-1,"vocab_size":30})";
  EXPECT_EQ(read(third).longest_sequence, 512) << "though no embedding bounds it";
  EXPECT_EQ(shape_of(third, "deberta.encoder.rel_embeddings.weight"), Shape({512, 12}));
  EXPECT_TRUE(has(third, "deberta.encoder.LayerNorm.weight"));
  EXPECT_FALSE(has(third, "deberta.embeddings.position_embeddings.weight"));
  EXPECT_FALSE(has(third, "deberta.encoder.layer.0.attention.self.pos_key_proj.weight"));
  EXPECT_NE(definition(third).find("relative positions c2p p2c of 256 buckets up to 512, shared, normed"),
            std::string::npos)
      << definition(third);

  // As the second's are, but for its matrices of relative positions.
  const std::string second =
      R"({"model_type":"deberta-v2","hidden_size":12,"num_hidden_layers":2,"num_attention_heads":3,"relative_attention":true,)"
      R"("pos_att_type":["c2p"],"max_relative_positions":20,"conv_kernel_size":3,"embedding_size":7,"vocab_size":30})";
  EXPECT_EQ(shape_of(second, "deberta.encoder.rel_embeddings.weight"), Shape({40, 12}));
  EXPECT_EQ(shape_of(second, "deberta.encoder.conv.conv.weight"), Shape({12, 12, 3}));
  EXPECT_EQ(shape_of(second, "deberta.embeddings.embed_proj.weight"), Shape({12, 7}));
  EXPECT_EQ(shape_of(second, "deberta.embeddings.word_embeddings.weight"), Shape({30, 7}));
  EXPECT_TRUE(has(second, "deberta.encoder.layer.0.attention.self.pos_key_proj.weight"));
  EXPECT_FALSE(has(second, "deberta.encoder.layer.0.attention.self.pos_query_proj.weight"));
  EXPECT_EQ(shape_of(second, "cls.predictions.transform.dense.weight", HeadKind::masked_language_model),
            Shape({7, 12}));
}

TEST(ModelConfig, DebertaRefusesWhatItCannotCompute) {
  expect_refused("deberta-v2", R"("conv_kernel_size":4)", {"conv_kernel_size", "an odd number"});
  expect_refused("deberta-v2", R"("conv_kernel_size":3,"conv_groups":2)", {"conv_groups", "groups are not supported"});
  expect_refused("deberta-v2", R"("conv_kernel_size":3,"conv_act":"softplus2")", {"softplus2"});
  expect_refused("deberta-v2", R"("pooler_hidden_size":32)", {"pooler_hidden_size", "the hidden size"});
  expect_refused("deberta-v2", R"("attention_head_size":32)", {"attention_head_size"});
  expect_refused("deberta-v2", R"("relative_attention":true,"position_buckets":1)",
                 {"position_buckets", "two or more"});
  expect_refused("deberta-v2", R"("relative_attention":true,"position_buckets":256,"max_relative_positions":129)",
                 {"position_buckets", "128"});
  const std::string other = R"({"model_type":"deberta-v2","legacy":false,"embedding_size":32,"hidden_size":48})";
  (void)read(other);
  expect_refusal(
      [&] {
        make_model(parse_model_config(other, ""), {HeadKind::masked_language_model, 0});
      },
      {"embedding_size", "the hidden size", "legacy"});
}

TEST(ModelConfig, DistilbertHasItsOwnNames) {
  const std::string plain = R"({"model_type":"distilbert"})";
  const ModelConfig defaults = read(plain);
  EXPECT_EQ(defaults.layers, 6);
  EXPECT_EQ(defaults.heads, 12);
  EXPECT_EQ(defaults.width, 768);
  EXPECT_EQ(defaults.type_vocabulary_size, 0);
  EXPECT_EQ(definition(plain), "distilbert of 6 layers, 12 heads, gelu, epsilon 1e-12, positions from 0");
  const std::string json = R"({"model_type":"distilbert","dim":24,"n_layers":2,"n_heads":3,"hidden_dim":5,)"
                           R"("activation":"relu","max_position_embeddings":7,"vocab_size":9})";
  const ModelConfig config = read(json);
  EXPECT_EQ(config.width, 24);
  EXPECT_EQ(config.layers, 2);
  EXPECT_EQ(config.heads, 3);
  EXPECT_EQ(config.intermediate_width, 5);
  EXPECT_EQ(config.longest_sequence, 7);
  EXPECT_EQ(config.vocabulary_size, 9);
  EXPECT_EQ(definition(json), "distilbert of 2 layers, 3 heads, relu, epsilon 1e-12, positions from 0");
  EXPECT_EQ(shape_of(json, "distilbert.transformer.layer.1.ffn.lin1.weight"), Shape({5, 24}));
  EXPECT_EQ(shape_of(json, "vocab_projector.bias", HeadKind::masked_language_model), Shape({9}));
}

TEST(ModelConfig, ElectraHasEmbeddingsOfTheirOwnWidth) {
  const std::string plain = R"({"model_type":"electra"})";
  const ModelConfig config = read(plain);
  EXPECT_EQ(config.vocabulary_size, 30522);
  EXPECT_EQ(config.width, 256);
  EXPECT_EQ(config.layers, 12);
  EXPECT_EQ(config.heads, 4);
  EXPECT_EQ(config.intermediate_width, 1024);
  EXPECT_EQ(config.type_vocabulary_size, 2);
  EXPECT_EQ(shape_of(plain, "electra.embeddings.position_embeddings.weight"), Shape({512, 128}));
  EXPECT_EQ(shape_of(plain, "electra.embeddings_project.weight"), Shape({256, 128}));
  EXPECT_EQ(shape_of(plain, "generator_predictions.dense.weight", HeadKind::masked_language_model), Shape({128, 256}));
  const std::string same = R"({"model_type":"electra","embedding_size":256})";
  const auto model = make_model(parse_model_config(same, ""), {HeadKind::sequence, 3});
  EXPECT_EQ(model->parameters().find("electra.embeddings_project.weight"), nullptr);
  expect_refused("electra", R"("embedding_size":0)", {"\"embedding_size\" is 0"});
}

TEST(ModelConfig, AlbertSharesLayersInGroups) {
  const std::string plain = R"({"model_type":"albert"})";
  const ModelConfig config = read(plain);
  EXPECT_EQ(config.vocabulary_size, 30000);
  EXPECT_EQ(config.width, 4096);
  EXPECT_EQ(config.layers, 12);
  EXPECT_EQ(config.heads, 64);
  EXPECT_EQ(config.intermediate_width, 16384);
  EXPECT_EQ(definition(plain), "albert of 12 layers, 64 heads, gelu_new, epsilon 1e-12, positions from 0");
  EXPECT_EQ(shape_of(plain, "albert.encoder.embedding_hidden_mapping_in.weight"), Shape({4096, 128}));
  expect_refused("albert", R"("num_hidden_layers":2,"num_hidden_groups":3)",
                 {"\"num_hidden_groups\" is 3", "\"num_hidden_layers\" is 2", "a layer for each group"});
  // Five layers in two groups of two inner layers: 0 0 0 1 1, of which each group begins with its lowest stage.
  const std::string grouped = R"({"model_type":"albert","num_hidden_layers":5,"num_hidden_groups":2,)"
                              R"("inner_group_num":2,"embedding_size":4096})";
  const auto model = make_model(parse_model_config(grouped, ""), {HeadKind::sequence, 3});
  EXPECT_EQ(model->stages(), 11);
  const auto stage_of = [&](const std::string& block) {
    return model->parameters().find("albert.encoder.albert_layer_groups." + block + ".ffn.bias")->stage;
  };
  EXPECT_EQ(stage_of("0.albert_layers.0"), 1);
  EXPECT_EQ(stage_of("0.albert_layers.1"), 2);
  EXPECT_EQ(stage_of("1.albert_layers.0"), 7);
  EXPECT_EQ(stage_of("1.albert_layers.1"), 8);
  EXPECT_NE(model->parameters().find("albert.encoder.embedding_hidden_mapping_in.weight"), nullptr) << "of any width";
}

TEST(ModelConfig, Gpt2HasItsOwnNames) {
  const std::string plain = R"({"model_type":"gpt2"})";
  const ModelConfig defaults = read(plain);
  EXPECT_EQ(defaults.vocabulary_size, 50257);
  EXPECT_EQ(defaults.longest_sequence, 1024);
  EXPECT_EQ(defaults.width, 768);
  EXPECT_EQ(defaults.layers, 12);
  EXPECT_EQ(defaults.heads, 12);
  EXPECT_EQ(defaults.intermediate_width, 3072);
  EXPECT_EQ(defaults.type_vocabulary_size, 0);
  EXPECT_EQ(definition(plain), "gpt2 of 12 layers, 12 heads, gelu_new, epsilon 1e-05, scores scaled by width");
  const std::string json = R"({"model_type":"gpt2","n_embd":24,"n_layer":2,"n_head":3,"n_inner":5,"n_positions":7,)"
                           R"("activation_function":"relu","scale_attn_weights":false,)"
                           R"("scale_attn_by_inverse_layer_idx":true,"tie_word_embeddings":false})";
  EXPECT_EQ(definition(json), "gpt2 of 2 layers, 3 heads, relu, epsilon 1e-05, scores scaled by 1 and layer");
  EXPECT_EQ(shape_of(json, "transformer.h.1.mlp.c_fc.weight"), Shape({5, 24}));
  EXPECT_EQ(shape_of(json, "transformer.wpe.weight"), Shape({7, 24}));
  EXPECT_EQ(shape_of(json, "score.weight"), Shape({3, 24}));
  EXPECT_EQ(shape_of(json, "lm_head.weight", HeadKind::causal_language_model), Shape({50257, 24}));
  EXPECT_EQ(read(R"({"model_type":"gpt2","n_inner":null,"hidden_size":36,"num_hidden_layers":1})").intermediate_width,
            144);
  expect_refused("gpt2", R"("n_embd":10,"n_head":4)", {"\"n_embd\" is 10", "\"n_head\" is 4"});
}

TEST(ModelConfig, Gpt2IsStoredFusedAndTransposed) {
  const std::string json = R"({"model_type":"gpt2","n_embd":12,"n_layer":1,"n_head":3})";
  const auto model = make_model(parse_model_config(json, ""), {HeadKind::causal_language_model, 0});
  const auto form_of = [&](const std::string& name) {
    return model->names().forms_of(*model->parameters().find(name)).front();
  };
  const StoredForm key = form_of("transformer.h.0.attn.key.weight");
  EXPECT_EQ(key.name, "transformer.h.0.attn.c_attn.weight");
  EXPECT_TRUE(key.transposed);
  EXPECT_EQ(key.rows, 36);
  EXPECT_EQ(key.first_row, 12);
  EXPECT_EQ(key.shape_of_tensor(Shape({12, 12})), Shape({12, 36}));
  EXPECT_EQ(form_of("transformer.h.0.attn.value.bias").first_row, 24);
  EXPECT_TRUE(form_of("transformer.h.0.mlp.c_proj.weight").transposed);
  EXPECT_TRUE(form_of("transformer.h.0.ln_1.weight").is_plain());
  EXPECT_TRUE(model->names().is_unread("h.0.attn.bias")) << "the mask";
  EXPECT_TRUE(model->names().is_unread("lm_head.weight"));
  EXPECT_EQ(model->parameters().find("lm_head.weight"), nullptr);
  EXPECT_EQ(model->parameters().find("transformer.ln_f.weight")->stage, 1) << "of the topmost block";
}

TEST(ModelConfig, DistilbertAlsoTakesTheCommonNames) {
  const ModelConfig config =
      read(R"({"model_type":"distilbert","hidden_size":20,"num_hidden_layers":1,"num_attention_heads":4})");
  EXPECT_EQ(config.width, 20);
  EXPECT_EQ(config.layers, 1);
  EXPECT_EQ(config.heads, 4);
  expect_refused("distilbert", R"("hidden_size":0)", {"\"hidden_size\" is 0"});
}

TEST(ModelConfig, ClassifierDropoutFallsBackToHiddenDropout) {
  const auto head_dropout = [](const std::string& keys, double dropout = -1.0) {
    return read_bert_keys(ConfigKeys("{" + keys + "}", "config.json", dropout), {30522, 0}).sequence_head_dropout;
  };
  EXPECT_EQ(head_dropout(R"("hidden_dropout_prob":0.25)"), 0.25F);
  EXPECT_EQ(head_dropout(R"("hidden_dropout_prob":0.25,"classifier_dropout":null)"), 0.25F);
  EXPECT_EQ(head_dropout(R"("hidden_dropout_prob":0.25,"classifier_dropout":0)"), 0.0F);
  EXPECT_EQ(head_dropout(R"("hidden_dropout_prob":0.25,"classifier_dropout":0)", 0.5), 0.5F);
}

TEST(ModelConfig, LabelsAreInTheOrderOfTheirIds) {
  EXPECT_EQ(read(R"({"model_type":"bert","id2label":{"1":"b","0":"a","2":3}})").labels,
            (std::vector<std::string>{"a", "b", "3"}));
  std::string many;
  std::vector<std::string> expected;
  for (int id = 0; id < 12; ++id) {
    many += fmt::format(R"({}"{}":"name {}")", id == 0 ? "" : ",", id, id);
    expected.push_back(fmt::format("name {}", id));
  }
  EXPECT_EQ(read(R"({"model_type":"bert","id2label":{)" + many + "}}").labels, expected);
  EXPECT_EQ(read(R"({"model_type":"bert","num_labels":2})").labels, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
  EXPECT_TRUE(read(R"({"model_type":"bert","id2label":null})").labels.empty());
  for (const char* damaged : {R"({"0":"a","2":"b"})", R"({"1":"a"})", R"({"x":"a"})", R"({"0":"a","00":"b"})",
                              R"({"-1":"a"})", R"(["a"])", R"({"99999999999999999999":"a"})"})
    expect_refused("bert", std::string(R"("id2label":)") + damaged, {"\"id2label\"", "every id from 0"});
}

TEST(ModelConfig, RefusesUnsupportedArchitectures) {
  expect_refusal([] { read(R"({"model_type":"t5"})"); }, {"\"t5\"", "not supported", "bert, ", "distilbert, "});
  expect_refusal([] { read(R"({"model_type":"berta"})"); }, {"did you mean bert?"});
  for (const char* family : {"deberta", "mobilebert", "layoutlm", "something-else"}) {
    try {
      read(fmt::format(R"({{"model_type":"{}"}})", family));
      ADD_FAILURE() << family << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(std::string_view(error.what()).find("did you mean"), std::string_view::npos) << error.what();
    }
  }
  expect_refusal([] { read("{}"); }, {"\"model_type\" is missing", "bert, ", "distilbert, "});
  expect_refusal([] { read(R"({"model_type":["bert"]})"); }, {"\"model_type\"", "expected a text"});
}

TEST(ModelConfig, RefusesVariantsThatWouldBeComputedWrongly) {
  for (const std::string type :
       {"albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"}) {
    expect_refused(type, R"("is_decoder":true)", {"\"is_decoder\" is true"});
    expect_refused(type, R"("add_cross_attention":true)", {"\"add_cross_attention\" is true"});
    expect_refused(type, R"("position_embedding_type":"relative_key")", {"relative_key", "absolute"});
  }
  expect_refused("gpt2", R"("add_cross_attention":true)", {"\"add_cross_attention\" is true"});
  EXPECT_NO_THROW(read(R"({"model_type":"bert","is_decoder":false,"position_embedding_type":"absolute"})"));
}

TEST(ModelConfig, RefusesSizesThatAreNotPositive) {
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                          "max_position_embeddings", "type_vocab_size"})
    for (const char* value : {"0", "-4", "1.5", "\"12\"", "null", "1e3", "9223372036854775808", "4294967296"})
      expect_refused("bert", fmt::format("\"{}\":{}", key, value), {key, "a whole number from 1"});
  for (const char* key : {"dim", "n_layers", "n_heads", "hidden_dim"})
    expect_refused("distilbert", fmt::format("\"{}\":0", key), {key, "is 0"});
}

TEST(ModelConfig, RefusesHeadsThatDoNotDivideTheWidth) {
  expect_refused("bert", R"("hidden_size":10,"num_attention_heads":4)",
                 {"\"hidden_size\" is 10", "\"num_attention_heads\" is 4", "divide"});
  expect_refused("distilbert", R"("dim":10,"n_heads":4)", {"\"dim\" is 10", "\"n_heads\" is 4"});
}

TEST(ModelConfig, RefusesNumbersOutOfRange) {
  for (const char* key : {"hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"})
    for (const char* value : {"-0.1", "1.01", "\"0.1\"", "true"})
      expect_refused("bert", fmt::format("\"{}\":{}", key, value), {key, value, "a number from 0 to 1"});
  expect_refused("distilbert", R"("seq_classif_dropout":2)", {"seq_classif_dropout"});
  expect_refused("bert", R"("layer_norm_eps":-1e-12)", {"layer_norm_eps"});
  expect_refused("bert", R"("initializer_range":-1)", {"initializer_range"});
  expect_refused("bert", R"("pad_token_id":30522)", {"pad_token_id", "30521"});
  EXPECT_NO_THROW(read(R"({"model_type":"bert","pad_token_id":null})"));
}

TEST(ModelConfig, KnowsActivationsByTheKeyOfEachFamily) {
  const auto computes = [](const std::string& keys, const std::string& activation) {
    return definition(R"({"model_type":)" + keys + ":\"" + activation + "\"}").find(" " + activation + ",") !=
           std::string::npos;
  };
  for (const std::string& activation : supported_activations()) {
    EXPECT_TRUE(computes(R"("bert","hidden_act")", activation)) << activation;
    EXPECT_TRUE(computes(R"("roberta","hidden_act")", activation)) << activation;
    EXPECT_TRUE(computes(R"("distilbert","activation")", activation)) << activation;
  }
}

TEST(ModelConfig, RefusesUnknownActivations) {
  // The first two have weights of their own.
  for (const std::string name : {"prelu", "xielu", "sqrtsoftplus", "gelu_20", "Swish"}) {
    const std::string refused = "\"hidden_act\" is \"" + name + "\", which is not supported";
    expect_refused("bert", R"("hidden_act":")" + name + "\"", {refused, "gelu_new", "relu", "silu, swish", "choose"});
    expect_refused("distilbert", R"("activation":")" + name + "\"", {"\"activation\" is \"" + name});
  }
  expect_refused("bert", R"("hidden_act":3)", {"\"hidden_act\" is 3", "a text"});
}

TEST(ModelConfig, RefusesFilesThatAreNoConfiguration) {
  const TestFolder folder;
  expect_refusal([&] { read_model_config(folder.path() / "absent"); }, {"absent", "no such folder"});
  expect_refusal([&] { read_model_config(folder.path()); }, {"config.json", "no such file"});
  expect_refusal([&] { read_model_config(folder.write("file", "x")); }, {"is a file", "expected a model folder"});
  expect_refusal([] { read(""); }, {"config.json", "empty"});
  expect_refusal([] { read(R"({"model_type":)"); }, {"config.json", "not valid JSON at byte"});
  expect_refusal([] { read("[1]"); }, {"config.json", "JSON array"});
  expect_refusal([] { read("{\"model_type\":\"\xff\"}"); }, {"config.json", "not valid JSON at byte"});
  expect_refusal([] { read(R"({"model_type":"bert","x":1e999})"); }, {"config.json", "out of range"});
}

TEST(ModelConfig, ReadsTheReferenceModels) {
  const std::filesystem::path models = testing_support::source_directory() / "tests/fixtures";
  for (const std::string name : {"bert-classification", "roberta-multilabel", "distilbert-regression"}) {
    const ModelConfig config = read_model_config(models / name);
    const std::string family = name.substr(0, name.find('-'));
    EXPECT_EQ(config.model_type, family);
    EXPECT_EQ(config.vocabulary_size, 30);
    EXPECT_EQ(config.width, 12);
    EXPECT_EQ(config.layers, 2);
    EXPECT_EQ(config.heads, 3);
    EXPECT_EQ(config.intermediate_width, 22);
    EXPECT_EQ(config.labels.size(), family == "bert" ? 3U : family == "roberta" ? 4U : 1U);
    EXPECT_EQ(config.architectures.size(), 1U);
  }
}

}  // namespace
}  // namespace temper
