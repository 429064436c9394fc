// Every op's gradient against central differences of its own forward pass. The differences are taken of
// sum(out * direction) in double, so f32 rounding of the outputs is the only noise.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "base/error.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"
#include "tensor/kernels/cpu/vector/vector_targets.h"
#include "tensor/ops.h"
//
#include "hwy/highway.h"
#include "hwy/targets.h"

namespace temper {
namespace {

class OpsGradient : public testing::Test {
 protected:
  Tensor random(const Shape& shape, float scale = 1.0F, float offset = 0.0F) {
    const Tensor tensor = Tensor::empty(device_->memory(), shape);
    std::normal_distribution<float> normal(offset, scale);
    for (float& value : tensor.span<float>()) value = normal(engine_);
    return tensor;
  }
  template <typename T>
  Tensor indices(const std::vector<T>& values) {
    const Tensor tensor = Tensor::empty(device_->memory(), {static_cast<std::int64_t>(values.size())}, dtype_of<T>());
    std::copy(values.begin(), values.end(), tensor.data<T>());
    return tensor;
  }
  GroupedRows groups(const std::vector<std::int32_t>& values) {
    const HostRowGroups host = group_rows(values);
    return {indices(host.ids), indices(host.piece_starts), indices(host.row_starts), indices(host.order), Tensor()};
  }
  /// What a loss adds to: its sum and what to divide it by, zero so far.
  Tensor no_loss() {
    const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
    device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
    return sum;
  }
  Variable leaf(Tensor value) { return Variable(std::move(value), true); }

  using Forward = std::function<Variable(Tape&)>;

  /// The same dropout masks are drawn in every pass.
  Tape tape(Tape::Mode mode = Tape::Mode::training) { return Tape(*device_, mode, random_key(3, 5)); }

  void check(const Forward& forward, const std::vector<Variable>& inputs, double tolerance = 2e-3) {
    Tape recorded = tape();
    const Variable out = forward(recorded);
    const Tensor direction = random(out.shape());
    // Backward may write over the gradient that it is given.
    const Tensor given = Tensor::empty(device_->memory(), out.shape());
    std::copy_n(direction.data<float>(), direction.size(), given.data<float>());
    Tape::set_gradient(out, given);
    recorded.backward();
    const auto value = [&] {
      Tape fresh = tape();
      const Tensor result = forward(fresh).value();
      double sum = 0.0;
      for (std::int64_t i = 0; i < result.size(); ++i)
        sum += static_cast<double>(result.data<float>()[i]) * direction.data<float>()[i];
      return sum;
    };
    compare(value, inputs, tolerance);
  }

  void compare(const std::function<double()>& value, const std::vector<Variable>& inputs, double tolerance) {
    for (std::size_t n = 0; n < inputs.size(); ++n) {
      ASSERT_TRUE(inputs[n].gradient().defined()) << "input " << n;
      // A copy: a loss writes its gradient anew at each call.
      const auto written = inputs[n].gradient().span<float>();
      const std::vector<float> gradient(written.begin(), written.end());
      const auto values = inputs[n].value().span<float>();
      for (std::size_t i = 0; i < values.size(); i += 1 + values.size() / 40) {
        constexpr float kStep = 1e-2F;
        const float kept = values[i];
        values[i] = kept + kStep;
        const double above = value();
        values[i] = kept - kStep;
        const double below = value();
        values[i] = kept;
        const double difference = (above - below) / (2.0 * kStep);
        ASSERT_NEAR(gradient[i], difference, tolerance * (1.0 + std::abs(difference))) << "input " << n << " at " << i;
      }
    }
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  std::mt19937 engine_{17};
};

class LinearGradient : public OpsGradient, public testing::WithParamInterface<Activation> {};

TEST_P(LinearGradient, MatchesCentralDifferences) {
  const Variable x = leaf(random({5, 7}));
  const Variable weight = leaf(random({6, 7}, 0.4F));
  const Variable bias = leaf(random({6}));
  check([&](Tape& t) { return linear(t, x, weight, bias, GetParam()); }, {x, weight, bias}, 5e-3);
}

INSTANTIATE_TEST_SUITE_P(Activations, LinearGradient,
                         testing::Values(Activation::none, Activation::gelu, Activation::gelu_tanh,
                                         Activation::gelu_clipped, Activation::quick_gelu, Activation::silu,
                                         Activation::mish, Activation::relu_squared, Activation::laplace,
                                         Activation::sigmoid, Activation::tanh));

TEST_F(OpsGradient, EmbeddingSumMatchesCentralDifferences) {
  const Variable words = leaf(random({9, 5}));
  const Variable positions = leaf(random({8, 5}));
  const Variable types = leaf(random({2, 5}));
  const std::vector<std::int32_t> ids{1, 3, 3, 8, 0};
  const std::vector<std::int32_t> places{0, 1, 2, 0, 1};
  const std::vector<std::int32_t> kinds{0, 0, 1, 1, 0};
  const EmbeddingIndices where{indices(ids), indices(places), indices(kinds),
                               groups(ids),  groups(places),  groups(kinds)};
  check([&](Tape& t) { return embedding_sum(t, where, words, positions, 2, types); }, {words, positions, types});
}

TEST_F(OpsGradient, LayerNormWithResidualAndDropoutMatchesCentralDifferences) {
  const Variable x = leaf(random({4, 24}));
  const Variable residual = leaf(random({4, 24}));
  const Variable weight = leaf(random({24}, 0.3F, 1.0F));
  const Variable bias = leaf(random({24}));
  const Tensor examples = indices<std::uint32_t>({3, 3, 9, 9});
  const Tensor positions = indices<std::uint32_t>({0, 1, 0, 1});
  const RowNames names{examples.data<std::uint32_t>(), positions.data<std::uint32_t>()};
  check([&](Tape& t) { return layer_norm(t, x, residual, weight, bias, 1e-5F, names, t.dropout(0.3, 4)); },
        {x, residual, weight, bias}, 1e-2);
}

TEST_F(OpsGradient, LayerNormAloneMatchesCentralDifferences) {
  const Variable x = leaf(random({3, 17}));
  const Variable weight = leaf(random({17}, 0.3F, 1.0F));
  const Variable bias = leaf(random({17}));
  check([&](Tape& t) { return layer_norm(t, x, Variable(), weight, bias, 1e-5F); }, {x, weight, bias}, 1e-2);
}

TEST_F(OpsGradient, AttentionWithDropoutMatchesCentralDifferences) {
  const Variable q = leaf(random({12, 8}));
  const Variable k = leaf(random({12, 8}));
  const Variable v = leaf(random({12, 8}));
  const Tensor starts = indices<std::int32_t>({0, 5, 6, 12});
  const Tensor examples = indices<std::uint32_t>({4, 2, 11});
  const PackedSequences sequences{12, 3, starts.data<std::int32_t>(), examples.data<std::uint32_t>(), 6};
  check([&](Tape& t) { return attention(t, q, k, v, sequences, AttentionShape::plain(2, 4)); }, {q, k, v}, 5e-3);
  for (const Variable& x : {q, k, v}) x.bind_gradient(Tensor(), -1);
  check([&](Tape& t) { return attention(t, q, k, v, sequences, AttentionShape::plain(2, 4), t.dropout(0.25, 1)); },
        {q, k, v}, 5e-3);
}

TEST_F(OpsGradient, AttentionWithTermsOfDistancesMatchesCentralDifferences) {
  const Variable q = leaf(random({12, 8}));
  const Variable k = leaf(random({12, 8}));
  const Variable v = leaf(random({12, 4}));
  const Tensor starts = indices<std::int32_t>({0, 5, 6, 12});
  const Tensor examples = indices<std::uint32_t>({4, 2, 11});
  const PackedSequences sequences{12, 3, starts.data<std::int32_t>(), examples.data<std::uint32_t>(), 6};
  AttentionShape shape{2, 2, 4, 2, 0.5F};
  DistanceTerms terms;
  terms.query = leaf(random({12, 6}));
  terms.key = leaf(random({12, 6}));
  terms.buckets = indices<std::int32_t>({3, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1});
  terms.first_bucket = 1;
  terms.count = 3;
  terms.scale = 0.7F;
  check([&](Tape& t) { return attention(t, q, k, v, sequences, shape, {}, terms); }, {q, k, v, terms.query, terms.key},
        5e-3);
  // One table that two calls read, so that its gradient is added to.
  const Variable x = leaf(random({12, 8}));
  terms.query = leaf(random({3, 2}));
  terms.key = {};
  terms.one_row_for_all = true;
  shape = {2, 2, 4, 4, 0.5F, true, {3, 3}, 4.0F};
  check(
      [&](Tape& t) {
        const Variable y = attention(t, x, x, x, sequences, shape, {}, terms);
        return attention(t, y, x, x, sequences, shape, t.dropout(0.25, 1), terms);
      },
      {x, terms.query}, 5e-3);
  EXPECT_THROW(attention(*std::make_unique<Tape>(tape()), q, k, x, sequences, {2, 2, 4, 4, 0.5F}, {},
                         {.query = v, .buckets = terms.buckets, .count = 3}),
               Error)
      << "terms of another shape";
}

TEST_F(OpsGradient, SelfAttentionOfOneInputAddsItsThreeGradients) {
  const Variable x = leaf(random({6, 8}, 0.5F));
  const Tensor starts = indices<std::int32_t>({0, 6});
  const Tensor examples = indices<std::uint32_t>({0});
  const PackedSequences sequences{6, 1, starts.data<std::int32_t>(), examples.data<std::uint32_t>(), 6};
  check([&](Tape& t) { return attention(t, x, x, x, sequences, AttentionShape::plain(2, 4)); }, {x}, 5e-3);
}

/// Three sequences of which some tokens ask.
class AttentionOverInputs : public OpsGradient {
 protected:
  Tensor starts_ = indices<std::int32_t>({0, 5, 6, 12});
  Tensor examples_ = indices<std::uint32_t>({4, 2, 11});
  Tensor query_starts_ = indices<std::int32_t>({0, 1, 2, 4});
  Tensor query_positions_ = indices<std::uint32_t>({3, 0, 0, 5});
  PackedSequences sequences_{12,
                             3,
                             starts_.data<std::int32_t>(),
                             examples_.data<std::uint32_t>(),
                             6,
                             query_starts_.data<std::int32_t>(),
                             query_positions_.data<std::uint32_t>()};
};

TEST_F(AttentionOverInputs, MatchesCentralDifferences) {
  const Variable q = leaf(random({4, 6}, 0.7F));
  const Variable x = leaf(random({12, 6}, 0.7F));
  const Variable key_weight = leaf(random({6, 6}, 0.7F));
  const Variable key_bias = leaf(random({6}, 0.7F));
  const Variable value_weight = leaf(random({6, 6}, 0.7F));
  const Variable value_bias = leaf(random({6}, 0.7F));
  const std::vector<Variable> leaves{q, x, key_weight, key_bias, value_weight, value_bias};
  for (const double rate : {0.0, 0.25}) {
    for (const Variable& leaf : leaves) leaf.bind_gradient(Tensor(), -1);
    check(
        [&](Tape& t) {
          return attention_over_inputs(t, q, x, {key_weight, key_bias}, {value_weight, value_bias}, sequences_, 2,
                                       t.dropout(rate, 1));
        },
        leaves, 5e-3);
  }
}

/// Of two such layers over the same inputs, whose gradients add up; one input after the other is frozen.
class AttentionOverInputsOfHeads : public AttentionOverInputs, public testing::WithParamInterface<std::int64_t> {};

TEST_P(AttentionOverInputsOfHeads, IsAttentionToTheirProjections) {
  const std::int64_t heads = GetParam();
  constexpr std::size_t kInputs = 6;
  for (std::size_t frozen = 0; frozen <= kInputs; ++frozen) {
    std::vector<std::vector<Tensor>> results;
    for (const bool over_inputs : {true, false}) {
      engine_.seed(5);
      const std::vector<Variable> in{leaf(random({4, 32})), leaf(random({12, 32})),       leaf(random({32, 32}, 0.2F)),
                                     leaf(random({32})),    leaf(random({32, 32}, 0.2F)), leaf(random({32}))};
      if (frozen < kInputs) in[frozen].set_requires_gradient(false);
      Tape t = tape();
      results.emplace_back();
      for (const std::uint32_t place : {7U, 9U}) {
        const Dropout dropout = t.dropout(0.3, place);
        const Variable y =
            over_inputs
                ? attention_over_inputs(t, in[0], in[1], {in[2], in[3]}, {in[4], in[5]}, sequences_, heads, dropout)
                : attention(t, in[0], linear(t, in[1], in[2], in[3]), linear(t, in[1], in[4], in[5]), sequences_,
                            AttentionShape::plain(heads, 32 / heads), dropout);
        results.back().push_back(y.value());
        Tape::set_gradient(y, random({4, 32}));
      }
      t.backward();
      for (const Variable& variable : in)
        if (variable.requires_gradient()) results.back().push_back(variable.gradient());
    }
    ASSERT_EQ(results[0].size(), results[1].size());
    for (std::size_t r = 0; r < results[0].size(); ++r) {
      for (std::size_t i = 0; i < results[0][r].span<float>().size(); ++i)
        ASSERT_NEAR(results[0][r].span<float>()[i], results[1][r].span<float>()[i], 4e-5)
            << "result " << r << ", frozen " << frozen;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, AttentionOverInputsOfHeads, testing::Values(1, 4));

TEST_F(AttentionOverInputs, RefusesWhatItCannotCompute) {
  const Variable q = leaf(random({4, 32}));
  const Variable x = leaf(random({12, 32}));
  const Variable weight = leaf(random({32, 32}));
  const Variable bias = leaf(random({32}));
  const Variable narrow = leaf(random({32, 16}));
  const Variable none;
  Tape t = tape();
  EXPECT_THROW(attention_over_inputs(t, q, x, {narrow, bias}, {weight, bias}, sequences_, 4), Error);
  EXPECT_THROW(attention_over_inputs(t, q, x, {weight, bias}, {weight, none}, sequences_, 4), Error);
  EXPECT_THROW(attention_over_inputs(t, q, x, {weight, bias}, {weight, bias}, sequences_, 5), Error);
  Tape rounded(*device_, Tape::Mode::training, {}, DType::bf16);
  EXPECT_THROW(attention_over_inputs(rounded, q, x, {weight, bias}, {weight, bias}, sequences_, 4), Error);
}

/// Vector kernels of each instruction set, and with them different ways for products of few rows and of many.
std::vector<std::int64_t> instruction_sets() {
  limit_instruction_set();
  return hwy::SupportedAndGeneratedTargets();
}

class AttentionOverInputsOnEach : public OpsGradient, public testing::WithParamInterface<std::int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { choose_all_allowed_targets(); }
};
INSTANTIATE_TEST_SUITE_P(Cpu, AttentionOverInputsOnEach, testing::ValuesIn(instruction_sets()),
                         [](const auto& set) { return hwy::TargetName(set.param); });

TEST_P(AttentionOverInputsOnEach, GivesASequenceTheBitsThatItHasAmongMany) {
  constexpr std::int64_t kSequences = 40;
  constexpr std::int64_t kLength = 5;
  const Variable q = leaf(random({kSequences, 64}));
  const Variable x = leaf(random({kSequences * kLength, 64}));
  const Variable key_weight = leaf(random({64, 64}, 0.2F));
  const Variable value_weight = leaf(random({64, 64}, 0.2F));
  const Variable bias = leaf(random({64}));
  std::vector<std::int32_t> starts(kSequences + 1);
  for (std::size_t s = 0; s < starts.size(); ++s) starts[s] = static_cast<std::int32_t>(s) * kLength;
  std::vector<std::int32_t> query_starts(kSequences + 1);
  std::iota(query_starts.begin(), query_starts.end(), 0);
  const std::vector<std::uint32_t> examples(kSequences, 3);
  const std::vector<std::uint32_t> positions(kSequences, 0);
  const auto run = [&](std::int64_t first, std::int64_t count) {
    Tape t = tape(Tape::Mode::evaluation);
    const PackedSequences sequences{count * kLength,     count,           starts.data(), examples.data(), kLength,
                                    query_starts.data(), positions.data()};
    const Variable some_q(q.value().part(first * 64 * 4, {count, 64}, DType::f32));
    const Variable some_x(x.value().part(first * kLength * 64 * 4, {count * kLength, 64}, DType::f32));
    return attention_over_inputs(t, some_q, some_x, {key_weight, bias}, {value_weight, bias}, sequences, 2).value();
  };
  const Tensor all = run(0, kSequences);
  for (const std::int64_t count : {1, 7, 33}) {
    const Tensor some = run(6, count);
    for (std::int64_t i = 0; i < count * 64; ++i)
      ASSERT_EQ(some.data<float>()[i], all.data<float>()[6 * 64 + i]) << count << " sequences, element " << i;
  }
}

TEST_F(OpsGradient, DropoutMatchesCentralDifferences) {
  const Variable x = leaf(random({3, 19}));
  const Tensor examples = indices<std::uint32_t>({1, 1, 2});
  const Tensor positions = indices<std::uint32_t>({0, 1, 0});
  const RowNames names{examples.data<std::uint32_t>(), positions.data<std::uint32_t>()};
  check([&](Tape& t) { return dropout(t, x, names, t.dropout(0.4, 2)); }, {x});
}

TEST_F(OpsGradient, GatherRowsMatchesCentralDifferences) {
  const Variable x = leaf(random({6, 5}));
  const Tensor rows = indices<std::int32_t>({4, 0, 4});
  check([&](Tape& t) { return gather_rows(t, x, rows); }, {x});
}

TEST_F(OpsGradient, CrossEntropyMatchesCentralDifferences) {
  const Variable logits = leaf(random({4, 6}));
  const Tensor labels = indices<std::int32_t>({2, -100, 0, 5});
  const Tensor weights = random({6}, 0.1F, 1.0F);
  const auto loss = [&](Tape::Mode mode, const Variable& of) {
    Tape t = tape(mode);
    const Tensor sum = no_loss();
    cross_entropy(t, of, labels, weights, 0.1F, sum);
    return sum.data<double>()[0];
  };
  const Variable overwritten = leaf(device_->upload(std::span<const float>(logits.value().span<float>()), {4, 6}));
  const double expected = loss(Tape::Mode::training, overwritten);
  EXPECT_EQ(overwritten.gradient().bytes(), overwritten.value().bytes()) << "a gradient beside the logits";
  EXPECT_THROW(loss(Tape::Mode::training, overwritten), Error) << "of what is no longer there";
  Tape::set_gradient(logits, overwritten.gradient());
  const auto value = [&] { return loss(Tape::Mode::evaluation, logits); };
  EXPECT_EQ(value(), expected);
  compare(value, {logits}, 2e-3);
}

TEST_F(OpsGradient, BinaryCrossEntropyMatchesCentralDifferences) {
  const Variable logits = leaf(random({3, 4}));
  const Tensor targets = random({3, 4}, 0.0F, 0.5F);
  for (std::size_t i = 0; i < 12; i += 2) targets.span<float>()[i] = 1.0F;
  const auto value = [&] {
    Tape t = tape();
    const Tensor sum = no_loss();
    binary_cross_entropy(t, logits, targets, sum);
    return sum.data<double>()[0];
  };
  value();
  compare(value, {logits}, 2e-3);
}

TEST_F(OpsGradient, MeanSquaredErrorMatchesCentralDifferences) {
  const Variable predictions = leaf(random({5, 2}));
  const Tensor targets = random({5, 2});
  const auto value = [&] {
    Tape t = tape();
    const Tensor sum = no_loss();
    mean_squared_error(t, predictions, targets, sum);
    return sum.data<double>()[0];
  };
  value();
  compare(value, {predictions}, 2e-3);
}

TEST_F(OpsGradient, LossesOfSeveralBatchesAreAddedUp) {
  const Variable logits = leaf(random({4, 6}));
  const Tensor labels = indices<std::int32_t>({2, -100, 0, 5});
  const Tensor sum = no_loss();
  Tape t = tape(Tape::Mode::evaluation);
  cross_entropy(t, logits, labels, Tensor(), 0.0F, sum);
  const double once = sum.data<double>()[0];
  EXPECT_EQ(sum.data<double>()[1], 3.0);
  cross_entropy(t, logits, labels, Tensor(), 0.0F, sum);
  EXPECT_EQ(sum.data<double>()[0], once + once);
  EXPECT_EQ(sum.data<double>()[1], 6.0);
}

}  // namespace
}  // namespace temper
