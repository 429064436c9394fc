// Embeddings whose gradient is sparse train to the bits of dense ones (docs/design.md,
// "Embedding gradients are sparse"). Runs alone and under mpirun.
#include <gtest/gtest.h>

#include <bit>
#include <memory>
#include <vector>

#include "runtime/steps/training_step.h"
#include "tests/fake_nodes.h"
#include "tests/model_fixture.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

std::vector<std::uint32_t> bits_of(std::span<const float> values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

// ---- the optimizer -------------------------------------------------------------------------------------------------

/// A table of 90 rows of 400 between two other parameters; training reads every fourth row.
class SparseOptimizer : public testing::TestWithParam<std::string> {
 protected:
  static constexpr std::int64_t kRows = 90;
  static constexpr std::int64_t kWidth = 400;

  SparseOptimizer() {
    settings_.rule = GetParam();
    settings_.weight_decay = waits() ? 0.1 : 0.0;
    for (std::int64_t row = 0; row < kRows; row += 4) table_.trained.insert(row);
    for (std::int64_t i = 0; i < layout_.elements(); ++i)
      values_.push_back(static_cast<float>((i * 7919) % 2003 - 1001) * 1e-3F);
    values_[static_cast<std::size_t>(layout_.slots()[1].begin + kWidth)] = -0.0F;
  }

  /// True where rows that are not read have decay to make up for.
  static bool waits() { return GetParam() != "sgd"; }

  /// Gradients that reach every other trained row.
  [[nodiscard]] std::vector<float> gradients(int step, RowSet& live) const {
    const TablePlace place(layout_, table_);
    for (std::int64_t row = 4 * (step % 2); row < kRows; row += 8) live.insert(row);
    std::vector<float> gradients(static_cast<std::size_t>(layout_.elements()));
    for (const ElementRange range : place.live(live, {0, layout_.elements()}))
      for (std::int64_t i = range.begin; i < range.end; ++i)
        gradients[static_cast<std::size_t>(i)] = static_cast<float>((i * 31 + step * 17) % 257 - 128) * 1e-2F;
    return gradients;
  }

  Optimizer make(bool sparse) {
    return {*device_,
            *solo_,
            layout_,
            {{0, layout_.elements()}},
            settings_,
            {{1.0, true, 0}, {0.5, true, 0}, {1.0, false, 0}},
            sparse ? std::optional(table_) : std::optional<SparseTable>()};
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  std::unique_ptr<Communicator> solo_ = make_solo_communicator();
  ArenaLayout layout_{std::vector<std::int64_t>{1000, kRows* kWidth, 20'000}};
  SparseTable table_{1, kWidth, RowSet(kRows)};
  UpdateSettings settings_;
  std::vector<float> values_;
};

TEST_P(SparseOptimizer, SettlesToTheBitsOfADenseOne) {
  Optimizer dense = make(false);
  Optimizer sparse = make(true);
  std::vector<float> expected = values_;
  std::vector<float> found = values_;
  std::vector<BFloat16> compute_copy(values_.size());
  for (int step = 0; step < 9; ++step) {
    RowSet live(kRows);
    const std::vector<float> gradient = gradients(step, live);
    const double rate = 1e-2 / (1 + step);
    dense.step(expected.data(), gradient.data(), nullptr, rate, 0.25);
    sparse.step(found.data(), gradient.data(), compute_copy.data(), rate, 0.25);
    EXPECT_EQ(sparse.has_deferred_decay(), waits());
    if (step % 4 != 2) continue;
    if (waits()) {
      EXPECT_NE(bits_of(found), bits_of(expected)) << "some rows wait";
    }
    sparse.settle(found.data(), compute_copy.data());
    EXPECT_FALSE(sparse.has_deferred_decay());
    ASSERT_EQ(bits_of(found), bits_of(expected)) << "step " << step;
    if (waits()) {
      const ArenaSlot place = layout_.slots()[1];
      for (std::int64_t i = place.begin; i < place.begin + place.size; ++i) {
        const auto at = static_cast<std::size_t>(i);
        ASSERT_EQ(compute_copy[at].bits, to_bfloat16(expected[at]).bits) << i;
      }
    }
  }
  sparse.settle(found.data(), nullptr);
  ASSERT_EQ(bits_of(found), bits_of(expected));
  const auto dense_state = dense.state();
  const auto sparse_state = sparse.state();
  ASSERT_EQ(sparse_state.size(), dense_state.size()) << "a checkpoint looks as it does without a table";
  for (std::size_t i = 0; i < dense_state.size(); ++i) {
    const auto size = static_cast<std::size_t>(dense_state[i].size);
    ASSERT_EQ(sparse_state[i].size, dense_state[i].size);
    EXPECT_EQ(bits_of({sparse_state[i].values, size}), bits_of({dense_state[i].values, size}));
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, SparseOptimizer, testing::Values("adamw", "sgd", "lion"),
                         [](const auto& rule) { return rule.param; });

// ---- the step ------------------------------------------------------------------------------------------------------

struct StepCase {
  const char* name;
  const char* rule;
  double weight_decay;
  bool share_memory;
  int ranks_per_node;
};

class SparseEmbeddings : public testing::TestWithParam<StepCase> {
 protected:
  static constexpr int kGrains = 8;

  /// Rows of 5 to 8 tokens, of every third id only.
  static TokenStore make_data(std::int64_t vocabulary) {
    TokenRows data;
    for (std::int64_t row = 0; row < 64; ++row) {
      for (std::int64_t i = 0; i < 5 + row % 4; ++i)
        data.ids.push_back(static_cast<std::int32_t>((row * 37 + i * 101) % (vocabulary / 3) * 3));
      data.starts.push_back(data.tokens());
      data.classes.push_back(static_cast<std::int32_t>(row % 2));
    }
    data.types.assign(data.ids.size(), 0);
    return TokenStore(std::move(data));
  }

  struct Run {
    std::vector<std::vector<std::uint32_t>> parameters;
    std::vector<double> norms;
  };

  /// Seven steps, settled and looked at behind the third.
  Run train(const ModelFixture& fixture, bool sparse) {
    const std::unique_ptr<Model> model = fixture.load(*device_);
    for (const Parameter& parameter : model->parameters().all()) parameter.variable.set_requires_gradient(true);
    const std::int64_t vocabulary = model->token_table().value().rows();
    const TokenStore data = make_data(vocabulary);
    TrainingStepSettings settings;
    settings.grains = kGrains;
    settings.clip_norm = 0.5;
    settings.seed = 3;
    settings.optimizer.rule = GetParam().rule;
    settings.optimizer.weight_decay = GetParam().weight_decay;
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    settings.bucket_elements = ArenaLayout::kChunk;
    settings.buckets.links.share_memory = GetParam().share_memory;
    if (sparse) {
      settings.token_rows = RowSet(vocabulary);
      settings.token_rows->insert_all_of(data.ids());
      EXPECT_LT(settings.token_rows->count(), vocabulary);
    }
    const std::unique_ptr<Communicator> nodes =
        testing_support::split_into_nodes([](int rank) { return rank / GetParam().ranks_per_node; });
    TrainingStep step(*model, *device_, sparse ? *nodes : world_communicator(), settings);
    EXPECT_EQ(step.store().table().has_value(), sparse);
    const TreeNode own = step.buckets().own_grains();
    Run run;
    const auto look = [&] {
      for (const Parameter& parameter : model->parameters().all())
        run.parameters.push_back(bits_of(parameter.variable.value().span<float>()));
      world_communicator().barrier();
    };
    for (int number = 0; number < 7; ++number) {
      StepBatch batch;
      for (int grain = own.begin; grain < own.end; ++grain) {
        const std::int64_t first = (number * 3 + grain * 5) % 60;
        const std::vector<std::int64_t> rows{first, first + 1};
        const std::vector<std::int64_t> more{first + 2};
        batch.grains.push_back({data.read(rows, 0), data.read(more, 0)});
      }
      run.norms.push_back(step.run(batch, number, 1e-2, {}).gradient_norm);
      if (number != 2) continue;
      step.settle();
      look();
    }
    step.release_values();
    look();
    return run;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_P(SparseEmbeddings, TrainToTheBitsOfDenseOnes) {
  const ModelFixture fixture("bert-classification");
  const Run dense = train(fixture, false);
  const Run sparse = train(fixture, true);
  EXPECT_EQ(sparse.norms, dense.norms);
  ASSERT_EQ(sparse.parameters.size(), dense.parameters.size());
  for (std::size_t i = 0; i < dense.parameters.size(); ++i) ASSERT_EQ(sparse.parameters[i], dense.parameters[i]) << i;
}

INSTANTIATE_TEST_SUITE_P(
    Optimizers, SparseEmbeddings,
    testing::Values(StepCase{"adamw", "adamw", 0.1, true, 64}, StepCase{"adamw_by_messages", "adamw", 0.1, false, 64},
                    StepCase{"adamw_on_nodes_of_two", "adamw", 0.1, true, 2},
                    StepCase{"adamw_without_decay", "adamw", 0.0, true, 64}, StepCase{"sgd", "sgd", 0.0, false, 64},
                    StepCase{"sgd_with_decay", "sgd", 0.1, true, 64}, StepCase{"lion", "lion", 0.1, true, 64},
                    StepCase{"adafactor", "adafactor", 0.1, true, 64},
                    StepCase{"adafactor_by_messages", "adafactor", 0.1, false, 64}),
    [](const auto& which) { return which.param.name; });

TEST(TokenTable, OfATiedLanguageModelIsNone) {
  const auto device = make_cpu_device();
  EXPECT_FALSE(ModelFixture("bert-masked-lm").load(*device)->token_table().defined());
}

}  // namespace
}  // namespace temper
