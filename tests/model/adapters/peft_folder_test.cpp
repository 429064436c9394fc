// Folders of adapters that are not what they say: each is refused, and why, before anything is computed.
#include "model/adapters/peft_folder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "model/architectures/registry.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/model/packed_batch.h"

namespace temper {
namespace {

using testing_support::TestFolder;

constexpr const char* kTinyBert =
    R"({"model_type":"bert","vocab_size":20,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,)"
    R"("intermediate_size":12,"max_position_embeddings":12})";
constexpr const char* kTinyLlama =
    R"({"model_type":"llama","vocab_size":20,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,)"
    R"("intermediate_size":12,"max_position_embeddings":12,"tie_word_embeddings":true})";
constexpr const char* kUntiedLlama =
    R"({"model_type":"llama","vocab_size":20,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,)"
    R"("intermediate_size":12,"max_position_embeddings":12,"tie_word_embeddings":false})";
constexpr const char* kTinyDistilbert =
    R"({"model_type":"distilbert","vocab_size":20,"dim":8,"n_layers":1,"n_heads":2,"hidden_dim":12,)"
    R"("max_position_embeddings":12})";
constexpr const char* kRoberta =
    R"({"model_type":"roberta","vocab_size":20,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,)"
    R"("intermediate_size":12,"max_position_embeddings":12})";
constexpr const char* kSavedTable = "base_model.model.model.embed_tokens.base_layer.weight";
constexpr const char* kQuery = "base_model.model.bert.encoder.layer.0.attention.self.query";

class PeftFolder : public testing::Test {
 protected:
  void SetUp() override {
    config_ = {{"peft_type", "LORA"},
               {"r", 2},
               {"target_modules", {"query"}},
               {"layers_to_transform", 0},
               {"modules_to_save", {"classifier"}}};
    add(std::string(kQuery) + ".lora_A.weight", {2, 8});
    add(std::string(kQuery) + ".lora_B.weight", {8, 2});
    add("base_model.model.classifier.weight", {3, 8});
    add("base_model.model.classifier.bias", {3});
  }

  void add(const std::string& name, const std::vector<std::int64_t>& shape, float value = 0.5F) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    values_[name] = std::vector<float>(static_cast<std::size_t>(size), value);
    shapes_[name] = shape;
  }
  void write() const {
    (void)folder_.write("adapter_config.json", config_.dump());
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, values] : values_) tensors.push_back({name, shapes_.at(name), values});
    write_safetensors(folder_.path() / "adapter_model.safetensors", tensors, {{"format", "pt"}});
  }
  std::unique_ptr<Model> base() const {
    auto model = make_model(parse_model_config(base_config_, ""), {head_, 3});
    testing_support::draw_all(*model, *device_);
    return model;
  }
  /// Writes an adapter of the embeddings, with the table as PEFT saves it along, and gives the base.
  std::unique_ptr<Model> adapt_table_of(const char* base_config) {
    base_config_ = base_config;
    head_ = HeadKind::causal_language_model;
    config_ = {{"peft_type", "LORA"}, {"r", 2}, {"target_modules", {"embed_tokens"}}};
    values_.clear();
    add("base_model.model.model.embed_tokens.lora_embedding_A", {2, 20});
    add("base_model.model.model.embed_tokens.lora_embedding_B", {8, 2});
    auto model = base();
    add(kSavedTable, {20, 8});
    values_[kSavedTable] =
        device_->download_as_f32(model->parameters().find("model.embed_tokens.weight")->variable.value());
    write();
    return model;
  }
  /// What the folder is refused with; empty: it is not.
  std::string refusal() const {
    const auto model = base();
    try {
      require_same_tables(*model, *device_, folder_.path());
      (void)load_adapter(*model, *device_, folder_.path());
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  void expect_refusal(const std::string& what) const {
    write();
    const std::string message = refusal();
    EXPECT_NE(message.find(what), std::string::npos) << message;
    EXPECT_NE(message.find(folder_.path().string()), std::string::npos) << message;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  TestFolder folder_;
  nlohmann::json config_;
  const char* base_config_ = kTinyBert;
  HeadKind head_ = HeadKind::token;
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;
};

TEST_F(PeftFolder, OfARankThatTheFileLacksIsRefusedBeforeItTakesMemory) {
  config_["r"] = 65536;
  expect_refusal("asks for a rank of 65536, but no tensor of");
  config_["r"] = 2;
  config_["rank_pattern"] = {{"query", 40000}};
  expect_refusal("asks for a rank of 40000, but no tensor of");
}

TEST_F(PeftFolder, IsReadWhereItFits) {
  write();
  EXPECT_EQ(refusal(), "");
  EXPECT_TRUE(is_adapter_folder(folder_.path()));
  EXPECT_EQ(base_of_adapter(folder_.path()).digest, "") << "PEFT says none";
  EXPECT_EQ(base_of_adapter(folder_.path()).fingerprint, "");
  const auto model = base();
  const Lora lora = load_adapter(*model, *device_, folder_.path());
  EXPECT_EQ(lora.trained.size(), 4U);
  EXPECT_EQ(device_->download_as_f32(model->parameters().find("classifier.bias")->variable.value()),
            std::vector<float>(3, 0.5F));
}

TEST_F(PeftFolder, OfTheBareNetworkNamesHaveNoPrefix) {
  const auto tensors = values_;
  for (const auto& [name, values] : tensors) {
    const std::string prefix = "base_model.model.bert.";
    if (!name.starts_with(prefix)) continue;
    const std::string bare = "base_model.model." + name.substr(prefix.size());
    add(bare, shapes_.at(name));
    values_.erase(name);
  }
  write();
  EXPECT_EQ(refusal(), "");
}

TEST_F(PeftFolder, WhatNobodyUsesIsRefused) {
  add("base_model.model.bert.encoder.layer.1.attention.self.query.lora_A.weight", {2, 8});
  expect_refusal("has no use");
}

TEST_F(PeftFolder, AndSoIsAnAdapterUnderOtherNames) {
  // As one that loads as zeros elsewhere: the keys fit no module.
  values_.clear();
  add("base_model.model.model.encoder.layer.0.attention.self.query.lora_A.weight", {2, 8});
  expect_refusal("lacks \"base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight\"");
}

TEST_F(PeftFolder, WhatIsMissingIsNamed) {
  values_.erase(std::string(kQuery) + ".lora_B.weight");
  expect_refusal("lora_B.weight\"");
}

TEST_F(PeftFolder, OtherShapesAreAnotherModels) {
  add(std::string(kQuery) + ".lora_A.weight", {2, 9});
  expect_refusal("has the shape [2,9], but adapter_config.json and this model ask for [2,8]");
  config_["r"] = 4;
  add(std::string(kQuery) + ".lora_A.weight", {2, 8});
  expect_refusal("ask for [4,8]");
}

TEST_F(PeftFolder, TablesOfWordsHaveNamesOfTheirOwn) {
  config_["target_modules"] = {"word_embeddings"};
  config_.erase("layers_to_transform");
  values_.erase(std::string(kQuery) + ".lora_A.weight");
  values_.erase(std::string(kQuery) + ".lora_B.weight");
  const std::string table = "base_model.model.bert.embeddings.word_embeddings";
  add(table + ".lora_embedding_A", {2, 20});
  add(table + ".lora_embedding_B", {8, 2});
  write();
  EXPECT_EQ(refusal(), "");
}

TEST_F(PeftFolder, ATableThatPeftSavedMustBeTheBases) {
  (void)adapt_table_of(kTinyLlama);
  EXPECT_EQ(refusal(), "");
  values_.at(kSavedTable).front() += 0.25F;
  expect_refusal("is not what the base model has as model.embed_tokens.weight");
}

/// A second adapter of these embeddings belongs to the table of the base, not to what the first has made of it.
TEST_F(PeftFolder, ATableIsComparedWithTheBasesBeforeAnythingIsMergedIntoIt) {
  const auto model = adapt_table_of(kUntiedLlama);
  require_same_tables(*model, *device_, folder_.path());
  merge_lora(*model, *device_, load_adapter(*model, *device_, folder_.path()));
  EXPECT_THROW(require_same_tables(*model, *device_, folder_.path()), Error) << "it has changed";
  EXPECT_NO_THROW((void)load_adapter(*model, *device_, folder_.path()));
}

/// The head's last matrix is the one with a row for each output, wherever the order of names puts it.
TEST_F(PeftFolder, OutputsAreThoseOfTheArchitecturesHead) {
  constexpr std::int64_t kMany = 9973;
  const auto outputs = [&](const char* config, HeadKind head) {
    return outputs_of_adapter(folder_.path(), *make_model(parse_model_config(config, ""), {head, kMany}));
  };
  values_.clear();
  add("base_model.model.classifier.weight", {5, 8});
  add("base_model.model.pre_classifier.weight", {8, 8});
  add("base_model.model.distilbert.embeddings.word_embeddings.weight", {20, 8});
  write();
  EXPECT_EQ(outputs(kTinyDistilbert, HeadKind::sequence), 5);
  values_.clear();
  add("base_model.model.classifier.dense.weight", {8, 8});
  add("base_model.model.classifier.out_proj.weight", {4, 8});
  add("base_model.model.roberta.pooler.dense.weight", {8, 8});
  write();
  EXPECT_EQ(outputs(kRoberta, HeadKind::sequence), 4);
  values_.clear();
  add("base_model.model.score.lora_A.weight", {2, 8});
  add("base_model.model.score.lora_B.weight", {6, 2});
  add("base_model.model.z.weight", {7, 7});
  write();
  EXPECT_EQ(outputs(kTinyLlama, HeadKind::sequence), 6) << "of an adapter of the head itself";
  values_.erase("base_model.model.score.lora_B.weight");
  write();
  EXPECT_EQ(outputs(kTinyLlama, HeadKind::sequence), 0);
}

TEST_F(PeftFolder, HostileFilesAreRefused) {
  write();
  const std::filesystem::path file = folder_.path() / "adapter_model.safetensors";
  for (const std::string& bytes :
       {std::string(), std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10),
        testing_support::safetensors_bytes(2, "{}", ""),
        testing_support::safetensors_bytes(
            70, R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}} )", "abcd")}) {
    write_file_atomically(file, bytes);
    EXPECT_NE(refusal(), "");
  }
  std::filesystem::remove(file);
  EXPECT_NE(refusal().find("no such file"), std::string::npos);
  (void)folder_.write("adapter_model.bin", "x");
  EXPECT_NE(refusal().find("load it with PEFT and save it again"), std::string::npos);
  (void)folder_.write("adapter_config.json", std::string(100000, '['));
  EXPECT_NE(refusal(), "");
}

}  // namespace
}  // namespace temper
