// Weights of an architecture whose files have them otherwise than the model: transposed, several in one tensor, and
// older names. What is read and written again is the same file.
#include "model/weights.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/half_float.h"
#include "base/mapped_file.h"
#include "model/layers/self_attention.h"
#include "model/layers/text_embeddings.h"
#include "tests/distant_device.h"
#include "tests/model/huggingface/test_folder.h"

namespace temper {
namespace {

using testing_support::expect_refusal;
using testing_support::TestFolder;

constexpr std::int64_t kFusedWidth = 4;

/// Does nothing: only its parameters matter here.
class Attending final : public Block {
 public:
  explicit Attending(const ParameterPlace& place, std::int64_t width)
      : attention_(place, {"attn.query", "attn.key", "attn.value", "attn.c_proj"}, {width, 2, 0.0}),
        up_(place, "mlp.c_fc", 6, width) {
    place.add("statistics", {2}, Initialization::zeros());
  }
  Variable forward(Tape& /*tape*/, const PackedInput& /*input*/, const Variable& hidden,
                   const TokenSelection& /*selection*/, std::uint32_t /*dropout_place*/) const override {
    return hidden;
  }
  [[nodiscard]] std::uint32_t dropout_places() const override { return 0; }

 private:
  SelfAttention attention_;
  Linear up_;
};

class Score final : public Head {
 public:
  explicit Score(const ParameterPlace& place, std::int64_t width)
      : Head({ReadTokens::last}, {}), linear_(place, "score", 2, width, Linear::Bias::none) {}
  Variable outputs(Tape& tape, const HeadInput& input) const override { return linear_(tape, input.hidden); }

 private:
  Linear linear_;
};

/// In the manner of GPT-2: weights [in, out], and queries, keys and values in one tensor.
std::unique_ptr<Model> make_fused(std::int64_t width = kFusedWidth) {
  ModelParts parts;
  parts.width = width;
  parts.names.prefix = "transformer.";
  for (const auto& [part, row] : {std::pair{"query", 0}, {"key", 1}, {"value", 2}}) {
    const std::string name = std::string("attn.") + part;
    parts.names.rules.push_back({name + ".weight", "attn.c_attn.weight", true, 3 * width, row * width});
    parts.names.rules.push_back({name + ".bias", "attn.c_attn.bias", false, 3 * width, row * width});
  }
  parts.names.rules.push_back({"c_proj.weight", "c_proj.weight", true});
  parts.names.rules.push_back({"c_fc.weight", "c_fc.weight", true});
  parts.names.alternatives = {{"statistics", "old_statistics"}};
  parts.names.unread = {"attn.bias"};
  const Initialization weights = Initialization::normal(0.02F);
  const ParameterPlace input{parts.parameters, 0, ParameterRole::weight, weights, "transformer."};
  parts.input = std::make_unique<TextEmbeddings>(input, TextEmbeddingNames{"wte", "wpe", "", "ln"},
                                                 TextEmbeddingShape{5, 3, 0, 0, width, 1e-5F, 0.0});
  ParameterPlace block = input.within("h.0");
  block.stage = 1;
  parts.blocks.push_back(std::make_shared<Attending>(block, width));
  parts.head = std::make_unique<Score>(ParameterPlace{parts.parameters, 2, ParameterRole::head, weights}, width);
  return std::make_unique<Model>(std::move(parts), HeadRequest{HeadKind::sequence, 2}, "FusedModel");
}

struct Stored {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// What a file of this architecture holds, in the order in which it is written.
const std::vector<Stored> kFile = {{"transformer.wte.weight", {5, 4}},
                                   {"transformer.wpe.weight", {3, 4}},
                                   {"transformer.ln.weight", {4}},
                                   {"transformer.ln.bias", {4}},
                                   {"transformer.h.0.attn.c_attn.weight", {4, 12}},
                                   {"transformer.h.0.attn.c_attn.bias", {12}},
                                   {"transformer.h.0.attn.c_proj.weight", {4, 4}},
                                   {"transformer.h.0.attn.c_proj.bias", {4}},
                                   {"transformer.h.0.mlp.c_fc.weight", {4, 6}},
                                   {"transformer.h.0.mlp.c_fc.bias", {6}},
                                   {"transformer.h.0.statistics", {2}},
                                   {"score.weight", {2, 4}}};

class WeightsTest : public testing::Test {
 protected:
  /// Values 0, 1, 2, ... across all tensors.
  void write_file(const std::vector<Stored>& file) {
    std::deque<std::vector<float>> values;
    std::vector<TensorToWrite> tensors;
    float next = 0.0F;
    for (const Stored& stored : file) {
      values.emplace_back(static_cast<std::size_t>(*element_count(stored.shape)));
      std::iota(values.back().begin(), values.back().end(), next);
      next += static_cast<float>(values.back().size());
      tensors.push_back({stored.name, stored.shape, values.back()});
    }
    write_safetensors(folder_.path() / "model.safetensors", tensors, {{"format", "pt"}});
  }
  /// The same in a narrow type, which has all of these values.
  void write_narrow_file(const std::vector<Stored>& file, StoredType type = StoredType::bf16) {
    std::deque<std::vector<std::uint16_t>> values;
    std::vector<TensorToWrite> tensors;
    float next = 0.0F;
    for (const Stored& stored : file) {
      values.emplace_back(static_cast<std::size_t>(*element_count(stored.shape)));
      for (std::uint16_t& value : values.back()) value = type == StoredType::f16 ? to_f16(next++) : to_bf16(next++);
      tensors.push_back({stored.name, stored.shape, {}, values.back(), type});
    }
    write_safetensors(folder_.path() / "model.safetensors", tensors, {{"format", "pt"}});
  }
  std::vector<float> value(const Model& model, const std::string& name) {
    return device_->download_as_f32(model.parameters().find(name)->variable.value());
  }

  TestFolder folder_;
  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(WeightsTest, PartsOfATransposedTensorGoWhereTheyBelong) {
  write_file({{"transformer.h.0.attn.c_attn.weight", {4, 12}}});
  const WeightFiles only = WeightFiles::open(folder_.path());
  const std::unique_ptr<Model> model = make_fused();
  expect_refusal([&] { load_weights(*model, only, *device_, {}); },
                 {"12 of the model's tensors are missing", "transformer.wte.weight", "attn.query.bias"});
  // Element (in, out) of the file is 12 in + out.
  EXPECT_EQ(value(*model, "transformer.h.0.attn.query.weight"),
            (std::vector<float>{0, 12, 24, 36, 1, 13, 25, 37, 2, 14, 26, 38, 3, 15, 27, 39}));
  EXPECT_EQ(value(*model, "transformer.h.0.attn.value.weight"),
            (std::vector<float>{8, 20, 32, 44, 9, 21, 33, 45, 10, 22, 34, 46, 11, 23, 35, 47}));
}

TEST_F(WeightsTest, ATransposedTensorIsReadInBands) {
  constexpr std::int64_t kWide = 38;  // bands have 16 rows
  const std::string attention = "transformer.h.0.attn.";
  write_file({{attention + "c_attn.weight", {kWide, 3 * kWide}}});
  const WeightFiles files = WeightFiles::open(folder_.path());
  const std::unique_ptr<Model> model = make_fused(kWide);
  expect_refusal([&] { load_weights(*model, files, *device_, {}); }, {"are missing"});
  std::int64_t first = 0;
  for (const char* part : {"query", "key", "value"}) {
    const std::vector<float> values = value(*model, attention + part + ".weight");
    for (std::int64_t out = 0; out < kWide; ++out)
      for (std::int64_t in = 0; in < kWide; ++in)
        ASSERT_EQ(values[static_cast<std::size_t>(out * kWide + in)], static_cast<float>(in * 3 * kWide + first + out))
            << part;
    first += kWide;
  }
}

TEST_F(WeightsTest, WhatIsReadAndWrittenAgainIsTheSameFile) {
  write_file(kFile);
  const WeightFiles files = WeightFiles::open(folder_.path());
  const std::unique_ptr<Model> model = make_fused();
  const LoadReport report = load_weights(*model, files, *device_, {});
  EXPECT_TRUE(report.initialized.empty());
  EXPECT_TRUE(report.unexpected.empty());
  EXPECT_EQ(value(*model, "transformer.h.0.attn.key.bias").size(), 4U);
  const StoredWeights stored(*model, *device_);
  write_safetensors(folder_.path() / "again.safetensors", stored.tensors(), {{"format", "pt"}});
  EXPECT_EQ(read_text_file(folder_.path() / "again.safetensors"), read_text_file(folder_.path() / "model.safetensors"));
}

TEST_F(WeightsTest, ProductsAndLookupsReadNarrowTypesAsTheyLie) {
  for (const auto& [stored, type] : {std::pair{StoredType::bf16, DType::bf16}, {StoredType::f16, DType::f16}}) {
    write_narrow_file(kFile, stored);
    const WeightFiles files = WeightFiles::open(folder_.path());
    const std::unique_ptr<Model> model = make_fused();
    load_weights(*model, files, *device_, {});
    const auto tensor = [&](const std::string& name) { return model->parameters().find(name)->variable.value(); };
    const Tensor words = tensor("transformer.wte.weight");
    EXPECT_EQ(words.bytes(), files.find("transformer.wte.weight")->bytes.data());
    EXPECT_EQ(words.type(), type);
    EXPECT_EQ(tensor("score.weight").bytes(), files.find("score.weight")->bytes.data());
    // Turned, but no wider.
    EXPECT_EQ(tensor("transformer.h.0.attn.key.weight").type(), type);
    EXPECT_EQ(value(*model, "transformer.h.0.attn.query.weight"),
              (std::vector<float>{40, 52, 64, 76, 41, 53, 65, 77, 42, 54, 66, 78, 43, 55, 67, 79}));
    // Norms, biases and positions are read in f32 alone.
    for (const char* name : {"transformer.wpe.weight", "transformer.ln.weight", "transformer.h.0.attn.key.bias"})
      EXPECT_EQ(tensor(name).type(), DType::f32) << name;
    const std::vector<DType> held = held_types(*model, files);
    ASSERT_EQ(held.size(), model->parameters().all().size());
    for (std::size_t i = 0; i < held.size(); ++i) {
      const Parameter& parameter = model->parameters().all()[i];
      EXPECT_EQ(held[i], parameter.variable.value().type()) << parameter.name;
    }
  }
}

TEST_F(WeightsTest, ADeviceOfItsOwnHasBFloat16ButNoF16) {
  testing_support::DistantDevice distant;
  for (const auto& [stored, type] : {std::pair{StoredType::bf16, DType::bf16}, {StoredType::f16, DType::f32}}) {
    write_narrow_file(kFile, stored);
    const WeightFiles files = WeightFiles::open(folder_.path());
    const std::unique_ptr<Model> model = make_fused();
    load_weights(*model, files, distant, {});
    for (const char* name : {"transformer.wte.weight", "transformer.h.0.attn.key.weight"})
      EXPECT_EQ(model->parameters().find(name)->variable.value().type(), type) << name;
    EXPECT_EQ(distant.download_as_f32(model->parameters().find("transformer.h.0.attn.query.weight")->variable.value()),
              (std::vector<float>{40, 52, 64, 76, 41, 53, 65, 77, 42, 54, 66, 78, 43, 55, 67, 79}));
    const StoredWeights again(*model, distant);
    for (const TensorToWrite& tensor : again.tensors()) EXPECT_EQ(tensor.narrow_type, stored) << tensor.name;
  }
}

TEST_F(WeightsTest, WhatIsReadInANarrowTypeIsWrittenSo) {
  for (const StoredType type : {StoredType::bf16, StoredType::f16}) {
    write_narrow_file(kFile, type);
    const WeightFiles files = WeightFiles::open(folder_.path());
    const std::unique_ptr<Model> model = make_fused();
    load_weights(*model, files, *device_, {});
    const StoredWeights stored(*model, *device_);
    write_safetensors(folder_.path() / "again.safetensors", stored.tensors(), {{"format", "pt"}});
    EXPECT_EQ(read_text_file(folder_.path() / "again.safetensors"),
              read_text_file(folder_.path() / "model.safetensors"));
    // Of what training made of it, nothing is lost, be it of one part of a tensor.
    const std::vector<float> third(16, 1.0F / 3.0F);
    model->parameters()
        .find("transformer.h.0.attn.key.weight")
        ->variable.set_value(device_->upload(std::span<const float>(third), {4, 4}));
    const StoredWeights trained(*model, *device_);
    for (const TensorToWrite& tensor : trained.tensors())
      EXPECT_EQ(tensor.narrow.empty(), tensor.name == "transformer.h.0.attn.c_attn.weight") << tensor.name;
  }
}

TEST_F(WeightsTest, OtherNamesAreReadAndTheUsualOnesWritten) {
  std::vector<Stored> file = kFile;
  for (Stored& stored : file)
    if (stored.name.starts_with("transformer.")) stored.name = stored.name.substr(std::string("transformer.").size());
  file[10].name = "h.0.old_statistics";
  file.push_back({"h.0.attn.bias", {1, 1, 3, 3}});
  file.push_back({"lm_head.weight", {5, 4}});
  write_file(file);
  const WeightFiles files = WeightFiles::open(folder_.path());
  const std::unique_ptr<Model> model = make_fused();
  const LoadReport report = load_weights(*model, files, *device_, {});
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"lm_head.weight"});
  const StoredWeights stored(*model, *device_);
  ASSERT_EQ(stored.tensors().size(), kFile.size());
  for (std::size_t i = 0; i < kFile.size(); ++i) {
    EXPECT_EQ(stored.tensors()[i].name, kFile[i].name);
    EXPECT_EQ(stored.tensors()[i].shape, kFile[i].shape);
  }
}

TEST_F(WeightsTest, ShapesAreComparedAsTheyLieInTheFile) {
  std::vector<Stored> file = kFile;
  file[4].shape = {12, 4};
  write_file(file);
  const WeightFiles files = WeightFiles::open(folder_.path());
  const std::unique_ptr<Model> model = make_fused();
  expect_refusal([&] { load_weights(*model, files, *device_, {}); },
                 {"transformer.h.0.attn.c_attn.weight", "[12, 4]", "asks for [4, 12]"});
}

TEST_F(WeightsTest, OnlyHeadsAndAdaptersAreDrawn) {
  std::vector<Stored> file = kFile;
  file.pop_back();
  write_file(file);
  const WeightFiles files = WeightFiles::open(folder_.path());
  const std::unique_ptr<Model> model = make_fused();
  model->parameters().add({"low_rank", {2, 4}, 1, ParameterRole::adapter, Initialization::normal(1.0F)});
  const LoadReport report = load_weights(*model, files, *device_, {});
  EXPECT_EQ(report.initialized, (std::vector<std::string>{"score.weight", "low_rank"}));
  model->parameters().add({"running_mean", {4}, 1, ParameterRole::statistic});
  expect_refusal([&] { load_weights(*model, files, *device_, {}); }, {"1 of the model's tensors", "running_mean"});
}

}  // namespace
}  // namespace temper
