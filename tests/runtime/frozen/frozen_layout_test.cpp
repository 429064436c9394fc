#include "runtime/frozen/frozen_layout.h"

#include <gtest/gtest.h>

#include <numeric>

#include "model/freezing.h"
#include "tensor/cost/idle_device.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using testing_support::rows_of;

using Starts = std::vector<std::int64_t>;

/// Rows of these lengths, all of the same token; the first token of each carries a label.
TokenRows rows_of_lengths(const std::vector<std::int64_t>& lengths) {
  TokenRows data;
  for (const std::int64_t length : lengths) {
    data.ids.insert(data.ids.end(), static_cast<std::size_t>(length), 5);
    data.starts.push_back(data.starts.back() + length);
  }
  data.types.assign(data.ids.size(), 0);
  data.classes.assign(data.ids.size(), kUnlabelled);
  for (std::size_t row = 0; row < lengths.size(); ++row) data.classes[static_cast<std::size_t>(data.starts[row])] = 1;
  return data;
}

class FrozenLayoutTest : public testing::Test {
 protected:
  std::unique_ptr<Model> model(HeadKind kind) const {
    const std::string json =
        R"({"model_type":"bert","vocab_size":10,"hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,)"
        R"("intermediate_size":32,"max_position_embeddings":4096})";
    return make_model(parse_model_config(json, ""), {kind, 3});
  }
  FrozenLayout lay_out(const std::vector<std::int64_t>& lengths, HeadKind kind, std::int64_t stages) const {
    return lay_out_frozen(TokenStore(rows_of_lengths(lengths)), *model(kind), stages, DType::f32);
  }
};

TEST_F(FrozenLayoutTest, BelowTheTopEveryTokenHasARow) {
  const FrozenLayout layout = lay_out({3, 5, 2}, HeadKind::sequence, 2);
  EXPECT_EQ(layout.row_starts, (Starts{0, 3, 8, 10}));
  EXPECT_EQ(layout.block_starts, (Starts{0, 3}));
  EXPECT_EQ(layout.row_bytes(), 64);
  EXPECT_EQ(layout.bytes(), 640);
}

TEST_F(FrozenLayoutTest, AboveAllLayersOnlyWhatTheHeadReadsHasARow) {
  EXPECT_EQ(lay_out({3, 5, 2}, HeadKind::sequence, 3).row_starts, (Starts{0, 1, 2, 3}));
  TokenRows data = rows_of_lengths({3, 5, 2});
  data.classes[4] = 2;
  data.classes[8] = kUnlabelled;
  EXPECT_EQ(lay_out_frozen(TokenStore(data), *model(HeadKind::token), 3, DType::f32).row_starts, (Starts{0, 1, 3, 3}));
}

TEST_F(FrozenLayoutTest, BlocksAreOfAboutTheSameSizeAndEvenlyShared) {
  // 35,200 tokens: 18 blocks of 2,048 would do; they become 24.
  const FrozenLayout layout = lay_out(std::vector<std::int64_t>(3200, 11), HeadKind::sequence, 1);
  EXPECT_EQ(layout.blocks(), 24);
  for (std::int64_t block = 0; block < layout.blocks(); ++block) {
    const auto at = static_cast<std::size_t>(block);
    EXPECT_NEAR(static_cast<double>(layout.block_starts[at + 1] - layout.block_starts[at]), 3200.0 / 24.0, 1.0);
  }
  EXPECT_EQ(lay_out(std::vector<std::int64_t>(40, 100), HeadKind::sequence, 1).blocks(), 7) << "of 512 tokens at least";
  EXPECT_EQ(lay_out(std::vector<std::int64_t>(10, 100), HeadKind::sequence, 1).blocks(), 1);
}

TEST_F(FrozenLayoutTest, ALongExampleMayBeABlockOfItsOwn) {
  const FrozenLayout layout = lay_out({1000, 1000, 48, 1, 3000, 7}, HeadKind::sequence, 1);
  EXPECT_EQ(layout.block_starts, (Starts{0, 1, 2, 4, 5, 6}));
  EXPECT_EQ(layout.examples(), 6);
}

TEST_F(FrozenLayoutTest, OfNoRowsHasNoBlock) { EXPECT_EQ(lay_out({}, HeadKind::sequence, 1).blocks(), 0); }

TEST_F(FrozenLayoutTest, CountsFrozenStagesFromBelowWithoutAGap) {
  const auto frozen = [&](const std::vector<std::string>& patterns, HeadKind kind = HeadKind::sequence) {
    const auto built = model(kind);
    apply_freezing(*built, patterns);
    return built->frozen_stages();
  };
  EXPECT_EQ(frozen({}), 0);
  EXPECT_EQ(frozen({"embeddings"}), 1);
  EXPECT_EQ(frozen({"embeddings.word_embeddings"}), 0);
  EXPECT_EQ(frozen({"embeddings", "encoder.layer.0"}), 2);
  EXPECT_EQ(frozen({"embeddings", "encoder.layer.1"}), 1);
  EXPECT_EQ(frozen({"encoder.layer.0-1"}), 0);
  EXPECT_EQ(frozen({"*"}), 3);
  EXPECT_EQ(frozen({"*", "bert.pooler"}), 3);
  // The head's words are the embeddings'.
  EXPECT_EQ(frozen({"*"}, HeadKind::masked_language_model), 3);
  EXPECT_EQ(frozen({"embeddings.position_embeddings", "encoder"}, HeadKind::masked_language_model), 0);
}

TEST_F(FrozenLayoutTest, TheKeyNamesModelWeightsRowsAndProcessor) {
  const ModelFixture fixture("bert-frozen");
  const auto device = make_test_device();
  const auto model = fixture.load(*device);
  const TokenStore data = rows_of(fixture.batch);
  const auto key_of = [&](const TokenStore& rows, std::int64_t stages, const Model& of, Device& on) {
    return frozen_content_key(lay_out_frozen(rows, of, stages, DType::f32), rows, of, on);
  };
  const auto key = [&](const TokenStore& rows, std::int64_t stages) { return key_of(rows, stages, *model, *device); };
  const std::string expected = key(data, 2);
  EXPECT_EQ(key(data, 2), expected);
  EXPECT_NE(key(data, 3), expected);
  Batch other = fixture.batch;
  other.text().ids.back() ^= 1;
  EXPECT_NE(key(rows_of(other), 2), expected);

  ModelFixture defined("bert-frozen");
  defined.set_key("hidden_act", "\"relu\"");
  EXPECT_NE(key_of(data, 2, *defined.load(*device), *device), expected);
  defined.set_key("hidden_act", "\"gelu\"");
  EXPECT_EQ(key_of(data, 2, *defined.load(*device), *device), expected);
  defined.set_key("num_attention_heads", "6");
  EXPECT_NE(key_of(data, 2, *defined.load(*device), *device), expected);
  IdleDevice other_processor([](const KernelId& /*kernel*/, const KernelWork& /*work*/) {});
  EXPECT_NE(key_of(data, 2, *model, other_processor), expected);

  const auto change = [&](const std::string& name) {
    const Variable& variable = model->parameters().find(name)->variable;
    std::vector<float> values = device->download<float>(variable.value());
    values[0] += 1.0F;
    variable.set_value(device->upload(std::span<const float>(values), variable.shape()));
  };
  change("bert.encoder.layer.1.output.dense.bias");
  EXPECT_EQ(key(data, 2), expected) << "the second layer stands above";
  change("bert.encoder.layer.0.output.dense.bias");
  EXPECT_NE(key(data, 2), expected);
}

}  // namespace
}  // namespace temper
