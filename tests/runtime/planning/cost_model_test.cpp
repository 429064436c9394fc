// Operations of a tiny model counted by hand, and plans made of them.
#include "runtime/planning/cost_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "tensor/kernels.h"

namespace temper {
namespace {

constexpr std::int64_t kWidth = 8;
constexpr std::int64_t kInner = 32;
constexpr std::int64_t kHeads = 2;

ModelConfig tiny(std::int64_t layers) {
  return parse_model_config(
      fmt::format(R"({{"model_type":"bert","vocab_size":20,"hidden_size":{},"num_hidden_layers":{},)"
                  R"("num_attention_heads":{},"intermediate_size":{},"max_position_embeddings":16,)"
                  R"("hidden_dropout_prob":0,"attention_probs_dropout_prob":0,"initializer_range":0.1}})",
                  kWidth, layers, kHeads, kInner),
      "");
}

/// Sequences of 3 and 5 tokens.
Batch two_sequences() {
  Batch batch;
  for (const int length : {3, 5}) {
    for (int i = 0; i < length; ++i) {
      batch.text().ids.push_back(i);
      batch.text().types.push_back(0);
      batch.positions.push_back(i);
    }
    batch.sequence_starts.push_back(static_cast<std::int32_t>(batch.text().ids.size()));
    batch.examples.push_back(static_cast<std::uint32_t>(length));
    batch.classes.push_back(0);
  }
  return batch;
}

double operations_of(const PassDemand& pass, std::string_view kernel) {
  double sum = 0.0;
  for (const KernelDemand& demand : pass.kernels)
    if (demand.kernel.name == kernel) sum += static_cast<double>(demand.calls) * demand.work.operations;
  return sum;
}

std::int64_t calls_of(const PassDemand& pass, std::string_view kernel) {
  std::int64_t sum = 0;
  for (const KernelDemand& demand : pass.kernels)
    if (demand.kernel.name == kernel) sum += demand.calls;
  return sum;
}

class DryRunTest : public testing::Test {
 protected:
  static PassDemand pass(std::int64_t layers, const std::vector<std::string>& freeze = {}, std::int64_t interval = 0,
                         DType type = DType::f32) {
    DryRun dry(tiny(layers), {HeadKind::sequence, 4}, type);
    dry.configure(freeze, interval);
    return dry.run(two_sequences());
  }
  static constexpr double kSquare = 2.0 * kWidth * kWidth;
  static constexpr double kWide = 2.0 * kWidth * kInner;
  /// Products of a layer's forward pass: keys and values of all eight tokens, the rest of `asking` of them.
  static double layer_products(double asking) { return 8 * 2 * kSquare + asking * (2 * kSquare + 2 * kWide); }
  /// Where each of the two sequences asks with one token, in f32: the key's and the value's matrix are on the side of
  /// these tokens, the value's beside its bias.
  static double asking_layer_products() { return 2 * (3 * kSquare + 2 * kWide + 2.0 * kWidth * asking_columns()); }
  /// Twice as many, but that of the value's columns beside the matrix only the bias has a gradient.
  static double asking_layer_gradients() {
    return 2 * asking_layer_products() - 2 * 2.0 * kWidth * (asking_columns() - kWidth - 1);
  }
  /// Columns of a head there: whole inputs beside a column of ones, in whole vectors.
  static double asking_columns() { return (kWidth + 16) / 16 * 16; }
  /// Pooler and classifier of two rows.
  static double head_products() { return 2 * 2.0 * kWidth * (kWidth + 4); }
};

TEST_F(DryRunTest, CountsTheProductsOfAModelAsByHand) {
  // Of two layers, the last asks with the first token of each sequence only.
  const double forward = layer_products(8) + asking_layer_products() + head_products();
  EXPECT_EQ(operations_of(pass(2), "matmul"),
            forward + 2 * layer_products(8) + asking_layer_gradients() + 2 * head_products())
      << "each product has two in its backward pass";
  EXPECT_EQ(operations_of(pass(2), "attention_forward"),
            4.0 * (kWidth * (3 * 3 + 5 * 5) + kHeads * asking_columns() * (3 + 5)));
  EXPECT_EQ(operations_of(pass(2), "attention_backward"),
            10.0 * (kWidth * (3 * 3 + 5 * 5) + kHeads * asking_columns() * (3 + 5)));
  EXPECT_EQ(pass(2).tokens, 8);
  EXPECT_GT(pass(2).forward_operations, forward);
  EXPECT_LT(pass(2).forward_operations, 1.5 * forward) << "bias, norms and activations come on top";
  EXPECT_GT(pass(2).backward_operations, 2 * forward);
}

TEST_F(DryRunTest, WhatIsFrozenHasNoBackwardPass) {
  const double upper = asking_layer_products() + asking_layer_gradients() + 3 * head_products();
  const PassDemand frozen = pass(2, {"embeddings", "encoder.layer.0"});
  // The lowest trained layer gives its input no gradient: queries (of 2 tokens).
  const double not_wanted = 2 * kSquare;
  EXPECT_EQ(operations_of(frozen, "matmul"), layer_products(8) + upper - not_wanted);
  EXPECT_EQ(calls_of(frozen, "attention_backward"), 1);
  EXPECT_EQ(operations_of(frozen, "attention_backward"), 6.0 * kHeads * asking_columns() * (3 + 5))
      << "keys and values, which are the frozen layer's output, get no gradient";
  EXPECT_EQ(calls_of(frozen, "embedding_backward"), 0);
  EXPECT_LT(frozen.activation_bytes, pass(2).activation_bytes);
}

TEST_F(DryRunTest, AKnownFrozenPartIsNotComputed) {
  const std::vector<std::string> lower{"embeddings", "encoder.layer.0"};
  DryRun dry(tiny(2), {HeadKind::sequence, 4}, DType::f32);
  dry.configure(lower, 0);
  const PassDemand whole = dry.run(two_sequences());
  const PassDemand above = dry.run(two_sequences(), /*cached=*/true);
  const PassDemand below = dry.run_frozen(two_sequences());
  EXPECT_EQ(operations_of(below, "matmul"), layer_products(8));
  EXPECT_EQ(calls_of(above, "embedding_sum_forward"), 0);
  EXPECT_EQ(below.backward_operations, 0.0);
  EXPECT_NEAR(above.forward_operations + below.forward_operations, whole.forward_operations, 1e-6);
  EXPECT_EQ(above.backward_operations, whole.backward_operations);
  // Above all layers, a head reads one row per sequence.
  dry.configure(std::vector<std::string>{"*"}, 0);
  const PassDemand head = dry.run(two_sequences(), /*cached=*/true);
  EXPECT_EQ(operations_of(head, "matmul"), 3 * head_products() - 2 * 2.0 * kWidth * kWidth);
  EXPECT_EQ(dry.run_frozen(two_sequences()).tokens, 8);
}

TEST_F(DryRunTest, WhatIsComputedAgainIsCountedAndSavesMemory) {
  const PassDemand kept = pass(4);
  const PassDemand again = pass(4, {}, 1);
  // All layers but the last.
  EXPECT_EQ(operations_of(again, "matmul") - operations_of(kept, "matmul"), 3 * layer_products(8));
  EXPECT_EQ(again.forward_operations, kept.forward_operations);
  EXPECT_LT(again.activation_bytes, kept.activation_bytes);
}

TEST_F(DryRunTest, Bf16HalvesTheActivations) {
  const PassDemand half = pass(2, {}, 0, DType::bf16);
  const PassDemand whole = pass(2);
  EXPECT_EQ(operations_of(half, "matmul"), 3 * (layer_products(8) + layer_products(2) + head_products()));
  EXPECT_LT(half.activation_bytes, whole.activation_bytes * 3 / 4);
  for (const KernelDemand& demand : half.kernels)
    if (demand.kernel.name == "matmul") {
      EXPECT_TRUE(demand.work.bf16);
    }
}

TEST_F(DryRunTest, APatternThatCoversNothingIsRefused) { EXPECT_THROW(pass(2, {"encoder.layer.7"}), Error); }

MachineProfile machine() {
  MachineProfile profile;
  profile.ranks = 4;
  profile.alone = {1e9, 0.0, 1e9, {}};
  profile.together = {5e8, 0.0, 5e8, {}};
  profile.exchange = {1e-3, 1e8};
  profile.all_reduce = {1e-4, 1e12};
  return profile;
}

PassDemand products(double operations) {
  PassDemand pass;
  pass.kernels.push_back({calls::Matmul::kKernel, {operations, 1.0, false}, 1});
  pass.forward_operations = operations / 3;
  pass.backward_operations = operations * 2 / 3;
  return pass;
}

StepFacts facts() {
  StepFacts facts;
  facts.ranks = 2;
  facts.grains = 2;
  facts.parameters = 5 << 20;
  facts.trainable = 4 << 20;
  facts.frozen_bytes = 4 << 20;
  facts.arena_elements = 4 << 20;
  facts.process_bytes = 50 << 20;
  facts.activation_bytes = 100 << 20;
  facts.steps = {{products(3e8), products(1e8)}, {products(2e8), products(2e8)}};
  return facts;
}

TEST(Plan, AReferenceCountsWhereItTakesMoreThanTraining) {
  StepFacts compared = facts();
  const MemoryPlan trained = plan_step(compared, nullptr).memory;
  compared.reference.samples = 3.0;
  compared.reference.model_bytes = 20 << 20;
  compared.reference.sample.activation_bytes = 140 << 20;
  EXPECT_EQ(plan_step(compared, nullptr).memory.total(), trained.total()) << "there are no gradients yet";
  compared.reference.sample.activation_bytes = 150 << 20;
  EXPECT_EQ(plan_step(compared, nullptr).memory.total() - trained.process, std::int64_t{20 + 150} << 20);
}

TEST(Plan, MemoryIsWhatEachRankHolds) {
  const MemoryPlan memory = plan_step(facts(), nullptr).memory;
  EXPECT_EQ(memory.parameters, std::int64_t{20} << 20);
  EXPECT_EQ(memory.gradients, std::int64_t{16 + 8} << 20) << "its own, and its slice of the neighbour's";
  EXPECT_EQ(memory.moments, std::int64_t{16} << 20) << "half of two moments";
  EXPECT_EQ(memory.total(), std::int64_t{50 + 20 + 24 + 16 + 100} << 20);
  EXPECT_EQ(memory.of_node(3), 3 * memory.total() - 2 * memory.parameters) << "of which a node has one copy";
  StepFacts narrow = facts();
  narrow.bf16 = true;
  const MemoryPlan with_copies = plan_step(narrow, nullptr).memory;
  EXPECT_EQ(with_copies.parameters, std::int64_t{20 + 8} << 20) << "those of the arena are shared";
  EXPECT_EQ(with_copies.copies, std::int64_t{2} << 20) << "each rank has its own of what is frozen";
  EXPECT_EQ(with_copies.total(), std::int64_t{50 + 28 + 24 + 16 + 100 + 2} << 20);
  EXPECT_EQ(with_copies.of_node(3), 3 * with_copies.total() - 2 * with_copies.parameters);
  StepFacts apart = facts();
  apart.nodes = 2;
  EXPECT_EQ(plan_step(apart, nullptr).memory.gradients, std::int64_t{32} << 20);
}

TEST(Plan, CountsTheStateOfTheUpdateRule) {
  StepFacts one = facts();
  one.rule_state = {.arrays = 1};
  EXPECT_EQ(plan_step(one, nullptr).memory.moments, std::int64_t{8} << 20);
  StepFacts factored = facts();
  factored.rule_state = {.arrays = 0, .sliced = 1000, .whole = 300};
  EXPECT_EQ(plan_step(factored, nullptr).memory.moments, 4 * (1000 / 2 + 300)) << "each rank has all that is whole";
}

TEST(Plan, AStepTakesAsLongAsItsSlowestRank) {
  const MachineProfile known = machine();
  const StepPlan plan = plan_step(facts(), &known);
  ASSERT_TRUE(plan.seconds.has_value());
  EXPECT_NEAR(plan.seconds->products, (3e8 + 2e8) / 2 / 5e8, 1e-12) << "at the rate of ranks beside each other";
  EXPECT_NEAR(plan.imbalance, (3.0 / 2.0 + 1.0) / 2, 1e-12);
  EXPECT_NEAR(plan.seconds->exchange, 1e-3 + 16.0 * (1 << 20) / 1e8 + 1e-4, 1e-6);
  EXPECT_EQ(plan.communication_bytes, std::int64_t{16} << 20);
  EXPECT_GT(plan.seconds->update, 0.0);
  EXPECT_NEAR(plan.forward_operations, 4e8 / 3, 1.0);
}

TEST(Plan, RanksWithoutAGrainAreNotToldToTakeMoreRows) {
  StepFacts uneven = facts();
  uneven.ranks = 4;
  uneven.grains = 2;
  for (std::vector<PassDemand>& ranks : uneven.steps) ranks.resize(4);
  const StepPlan plan = plan_step(uneven, nullptr);
  ASSERT_GT(plan.imbalance, 1.15);
  const auto has = [&](const std::string& part) {
    const std::vector<std::string> sentences = advice(uneven, plan, {}, nullptr, std::int64_t{1} << 40);
    return std::any_of(sentences.begin(), sentences.end(),
                       [&](const std::string& sentence) { return sentence.find(part) != std::string::npos; });
  };
  EXPECT_TRUE(has("4 ranks share 2 grains: 2 of them have nothing to compute"));
  EXPECT_FALSE(has("more rows per rank"));
  uneven.grains = 4;
  EXPECT_FALSE(has("nothing to compute"));
  EXPECT_TRUE(has("more rows per rank"));
}

TEST(Plan, OnlyWhatTrainingTextsReadOfATableIsKeptAndSummed) {
  const MachineProfile known = machine();
  StepFacts sparse = facts();
  sparse.table = {2 << 20, 1 << 18, 1 << 19, 1 << 16};
  const StepPlan plan = plan_step(sparse, &known);
  const StepPlan dense = plan_step(facts(), &known);
  EXPECT_EQ(plan.memory.parameters, dense.memory.parameters);
  constexpr std::int64_t kNotTouched = std::int64_t{4} * ((2 << 20) - (1 << 19));
  EXPECT_EQ(dense.memory.gradients - plan.memory.gradients, kNotTouched * 3 / 2);
  EXPECT_EQ(dense.memory.moments - plan.memory.moments, kNotTouched);
  constexpr std::int64_t kNotSummed = std::int64_t{4} * ((2 << 20) - (1 << 16));
  EXPECT_EQ(dense.communication_bytes - plan.communication_bytes, kNotSummed);
  EXPECT_NEAR(dense.seconds->exchange - plan.seconds->exchange, kNotSummed / 1e8, 1e-9);
  EXPECT_LT(plan.seconds->update, dense.seconds->update);
}

TEST(Plan, WhatIsFrozenIsComputedOnceForEachPhase) {
  const MachineProfile known = machine();
  StepFacts frozen = facts();
  frozen.frozen = {
      .rows = 1000, .bytes = 30 << 20, .in_memory = true, .sample = products(1e8), .sample_rows = 50, .samples = 12.5};
  const StepPlan plan = plan_step(frozen, &known);
  const StepPlan without = plan_step(facts(), &known);
  EXPECT_NEAR(plan.frozen_seconds, 12.5 * 1e8 / 5e8, 1e-9);
  EXPECT_NEAR(plan.frozen_row_seconds, 1e8 / 5e8 / 50, 1e-12);
  EXPECT_EQ(plan.seconds->total(), without.seconds->total());
  EXPECT_NEAR(plan.seconds_of(10), plan.frozen_seconds + 10 * without.seconds->total(), 1e-9);
  EXPECT_EQ(plan.memory.total() - without.memory.total(), 30 << 20);
  EXPECT_EQ(plan.memory.of_node(2) - without.memory.of_node(2), 30 << 20) << "once per node";
  frozen.frozen.in_memory = false;
  frozen.frozen.sample.activation_bytes = 150 << 20;
  EXPECT_EQ(plan_step(frozen, &known).memory.total() - without.memory.total(), 50 << 20)
      << "a file takes none, its computation what it needs";
}

TEST(Plan, WithoutAMachineThereAreNoTimes) {
  const StepPlan plan = plan_step(facts(), nullptr);
  EXPECT_FALSE(plan.seconds.has_value());
  EXPECT_NE(plan.missing.find("temper bench machine"), std::string::npos);
  EXPECT_GT(plan.forward_operations, 0.0);
  MachineProfile alone = machine();
  alone.ranks = 1;
  alone.exchange = {};
  EXPECT_NE(plan_step(facts(), &alone).missing.find("mpirun -n 2 temper bench machine"), std::string::npos);
  StepFacts apart = facts();
  apart.nodes = 2;
  const MachineProfile one_node = machine();
  EXPECT_NE(plan_step(apart, &one_node).missing.find("one node"), std::string::npos);
}

TEST(Plan, SaysWhatHelps) {
  const MachineProfile known = machine();
  const StepFacts now = facts();
  const StepPlan plan = plan_step(now, &known);
  StepFacts less = now;
  less.activation_bytes /= 5;
  StepFacts faster = now;
  faster.steps = {{products(1e7), products(1e7)}};
  const std::vector<Alternative> others{{"less", plan_step(less, &known)}, {"faster", plan_step(faster, &known)}};
  const auto says = [&](std::int64_t memory, const std::string& part) {
    for (const std::string& sentence : advice(now, plan, others, &known, memory))
      if (sentence.find(part) != std::string::npos) return true;
    return false;
  };
  EXPECT_TRUE(says(std::int64_t{300} << 20, "does not fit"));
  EXPECT_FALSE(says(std::int64_t{1} << 40, "does not fit"));
  EXPECT_TRUE(says(0, "less: 130 MiB instead of 210 MiB per rank"));
  const double less_time = 1.0 - others[1].plan.seconds->total() / plan.seconds->total();
  EXPECT_GT(less_time, 0.5);
  EXPECT_TRUE(says(0, "faster: " + std::to_string(std::lround(100.0 * less_time)) + " % less time"));
  EXPECT_TRUE(says(0, "the rank with the most tokens has 25 % more"));
}

}  // namespace
}  // namespace temper
