// The stack itself, with blocks that are made up: shared blocks, frozen parts, selections and places of dropout.
#include "model/model.h"

#include <gtest/gtest.h>

#include <numeric>

#include "model/freezing.h"
#include "model/layers/linear.h"
#include "model/layers/text_embeddings.h"
#include "tests/model/packed_batch.h"

namespace temper {
namespace {

using testing_support::draw_all;
using testing_support::PackedBatch;

constexpr std::int64_t kWidth = 8;

/// What a block was told, from one pass to the next.
struct Calls {
  std::vector<std::uint32_t> places;
  std::vector<bool> selected;
};

/// A linear layer token by token, and dropout.
class Dense final : public Block {
 public:
  Dense(const ParameterPlace& place, const std::string& name, Calls& calls)
      : linear_(place, name, kWidth, kWidth), calls_(calls) {}

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override {
    calls_.places.push_back(dropout_place);
    calls_.selected.push_back(selection.defined());
    const Variable query_rows = selection.defined() ? gather_rows(tape, hidden, selection.rows) : hidden;
    return dropout(tape, linear_(tape, query_rows, Activation::tanh), input.names_of(selection),
                   tape.dropout(0.5, dropout_place));
  }
  [[nodiscard]] std::uint32_t dropout_places() const override { return 2; }

 private:
  Linear linear_;
  Calls& calls_;
};

class Classifier final : public Head {
 public:
  Classifier(const ParameterPlace& place, Variable tied, bool large)
      : Head({}, {}), linear_(place, "classifier", 3, kWidth), tied_(std::move(tied)), large_(large) {}

  Variable outputs(Tape& tape, const HeadInput& input) const override {
    return linear_(tape, dropout(tape, input.hidden, input.names(), tape.dropout(0.5, input.dropout_place)));
  }
  [[nodiscard]] bool reads_all_of(const Variable& parameter) const override { return parameter == tied_; }
  [[nodiscard]] bool is_large() const override { return large_; }

 private:
  Linear linear_;
  Variable tied_;
  bool large_;
};

class ModelTest : public testing::Test {
 protected:
  struct Wish {
    int blocks = 3;
    bool shared = false;  ///< all blocks are one
    bool tied = false;
    bool large_head = false;
  };

  std::unique_ptr<Model> make(const Wish& wish) {
    ModelParts parts;
    parts.width = kWidth;
    parts.names.prefix = "net.";
    const Initialization weights = Initialization::normal(0.5F);
    const ParameterPlace input{parts.parameters, 0, ParameterRole::weight, weights, "net."};
    parts.input = std::make_unique<TextEmbeddings>(input, TextEmbeddingNames{},
                                                   TextEmbeddingShape{5, 8, 0, 0, kWidth, 1e-5F, 0.0});
    for (int i = 0; i < wish.blocks; ++i) {
      if (wish.shared && i > 0) {
        parts.blocks.push_back(parts.blocks.front());
        continue;
      }
      ParameterPlace place = input.within("block." + std::to_string(i));
      place.stage = i + 1;
      parts.blocks.push_back(std::make_shared<Dense>(place, "linear", calls_));
    }
    const ParameterPlace head{parts.parameters, wish.blocks + 1, ParameterRole::head, weights};
    parts.head =
        std::make_unique<Classifier>(head, wish.tied ? parts.input->token_table() : Variable(), wish.large_head);
    auto model = std::make_unique<Model>(std::move(parts), HeadRequest{HeadKind::sequence, 3}, "Net");
    draw_all(*model, *device_);
    return model;
  }

  /// The gradients of a pass in training, and what is left in the tape's records.
  std::vector<std::vector<float>> gradients(Model& model, const FrozenPart& frozen = {}) {
    for (const Parameter& parameter : model.parameters().all()) parameter.variable.bind_gradient(Tensor(), -1);
    Tape tape(*device_, Tape::Mode::training, {3, 4});
    const Variable logits = model.forward(tape, batch_.input, batch_.first_tokens, frozen);
    recorded_ = tape.recorded();
    std::vector<float> ones(static_cast<std::size_t>(logits.value().size()));
    std::iota(ones.begin(), ones.end(), 1.0F);
    Tape::set_gradient(logits, device_->upload(std::span<const float>(ones), logits.shape()));
    tape.backward();
    std::vector<std::vector<float>> all{device_->download<float>(logits.value())};
    for (const Parameter& parameter : model.parameters().all())
      if (parameter.trainable() && parameter.variable.gradient().defined())
        all.push_back(device_->download<float>(parameter.variable.gradient()));
    return all;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  PackedBatch batch_{*device_, {3, 1, 4}};
  Calls calls_;
  std::size_t recorded_ = 0;
};

TEST_F(ModelTest, OnlyTheTopmostBlockIsToldWhatIsSelected) {
  const auto model = make({});
  Tape tape(*device_, Tape::Mode::evaluation);
  EXPECT_EQ(model->forward(tape, batch_.input, batch_.first_tokens).shape(), Shape({3, 3}));
  EXPECT_EQ(calls_.selected, (std::vector<bool>{false, false, true}));
  EXPECT_EQ(calls_.places, (std::vector<std::uint32_t>{1, 3, 5}))
      << "behind the place of the embeddings, two per block";
  EXPECT_EQ(model->hidden_state(tape, batch_.input, batch_.first_tokens, 3).shape(), Shape({8, kWidth}));
  EXPECT_EQ(model->hidden_state(tape, batch_.input, batch_.first_tokens, 4).shape(), Shape({3, kWidth}));
  EXPECT_EQ(make({.blocks = 0})->hidden_state(tape, batch_.input, batch_.first_tokens, 1).shape(), Shape({3, kWidth}));
}

TEST_F(ModelTest, OneBlockMayStandInAStackSeveralTimes) {
  const auto model = make({.shared = true});
  EXPECT_EQ(model->stages(), 4);
  EXPECT_EQ(model->parameters().find("net.block.0.linear.weight")->stage, 1);
  EXPECT_EQ(model->parameters().find("net.block.1.linear.weight"), nullptr);
  Tape tape(*device_, Tape::Mode::evaluation);
  model->forward(tape, batch_.input, batch_.first_tokens);
  EXPECT_EQ(calls_.places, (std::vector<std::uint32_t>{1, 3, 5})) << "each standing drops other elements";
  apply_freezing(*model, std::vector<std::string>{"word_embeddings", "position_embeddings", "LayerNorm"});
  EXPECT_EQ(model->frozen_stages(), 1) << "to train the block is to train its lowest standing";
  apply_freezing(*model, std::vector<std::string>{"*"});
  EXPECT_EQ(model->frozen_stages(), 4);
  // Its gradient is the sum over the standings: as of three blocks with equal values.
  const auto apart = make({});
  for (const Parameter& parameter : apart->parameters().all()) {
    const bool of_block = parameter.name.starts_with("net.block.");
    const std::string same = of_block ? "net.block.0" + parameter.name.substr(std::string("net.block.0").size()) : "";
    parameter.variable.set_value(model->parameters().find(of_block ? same : parameter.name)->variable.value());
  }
  apply_freezing(*model, {});
  apply_freezing(*apart, {});
  EXPECT_EQ(gradients(*model).front(), gradients(*apart).front());
  const auto gradient_of = [&](const Model& of, const std::string& name) {
    return device_->download<float>(of.parameters().find(name)->variable.gradient());
  };
  const std::vector<float> sum = gradient_of(*model, "net.block.0.linear.weight");
  for (std::size_t i = 0; i < sum.size(); ++i) {
    double expected = 0.0;
    for (const char* block : {"0", "1", "2"})
      expected += gradient_of(*apart, std::string("net.block.") + block + ".linear.weight")[i];
    EXPECT_NEAR(sum[i], expected, 1e-5);
  }
}

TEST_F(ModelTest, CountsFrozenStagesFromBelowWithoutAGap) {
  const auto model = make({});
  const auto frozen = [&](const std::vector<std::string>& patterns) {
    apply_freezing(*model, patterns);
    return model->frozen_stages();
  };
  EXPECT_EQ(frozen({}), 0);
  EXPECT_EQ(frozen({"block.0"}), 0);
  EXPECT_EQ(frozen({"*_embeddings", "LayerNorm", "block.1"}), 1);
  EXPECT_EQ(frozen({"*_embeddings", "LayerNorm", "block.0-1"}), 3);
  EXPECT_EQ(frozen({"*"}), 4);
}

TEST_F(ModelTest, AFrozenPartIsNotRecordedAndHasNoDropout) {
  const auto model = make({});
  apply_freezing(*model, std::vector<std::string>{"*_embeddings", "LayerNorm", "block.0"});
  const auto computed = gradients(*model, {.stages = 2});
  const std::size_t records = recorded_;
  Tape tape(*device_, Tape::Mode::evaluation);
  const Variable hidden = model->hidden_state(tape, batch_.input, batch_.first_tokens, 2);
  PackedInput without_indices = batch_.input;
  without_indices.indices = {};
  std::swap(batch_.input, without_indices);
  EXPECT_EQ(gradients(*model, {.stages = 2, .output = hidden}), computed);
  EXPECT_EQ(recorded_, records);
  std::swap(batch_.input, without_indices);
  EXPECT_NE(gradients(*model, {}).front(), computed.front()) << "with dropout below";
}

TEST_F(ModelTest, WhatIsComputedAgainHasTheSameBits) {
  for (const bool large : {false, true}) {
    const auto model = make({.large_head = large});
    apply_freezing(*model, {});
    const auto kept = gradients(*model);
    for (const std::int64_t interval : {1, 2, 3, 7}) {
      model->checkpoint_activations(interval);
      EXPECT_EQ(gradients(*model), kept) << interval;
    }
  }
  // The last part is kept, unless the head is large.
  const auto small = make({});
  small->checkpoint_activations(1);
  apply_freezing(*small, {});
  gradients(*small);
  const std::size_t with_last = recorded_;
  const auto large = make({.large_head = true});
  large->checkpoint_activations(1);
  apply_freezing(*large, {});
  gradients(*large);
  EXPECT_LT(recorded_, with_last);
}

TEST_F(ModelTest, ATableThatTheHeadReadsIsNoTokenTable) {
  const auto model = make({});
  EXPECT_TRUE(model->token_table() == model->parameters().find("net.word_embeddings.weight")->variable);
  EXPECT_FALSE(make({.tied = true})->token_table().defined());
}

}  // namespace
}  // namespace temper
