#include "tests/tensor/ops_gradient.h"

#include <vector>

#include "base/error.h"
#include "tensor/ops/neighbours.h"

namespace temper {
namespace {

using testing_support::OpsGradient;

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

TEST_F(OpsGradient, NeighboursMatchCentralDifferences) {
  const Variable x = leaf(random({7, 3}));
  const Tensor starts = indices<std::int32_t>({0, 4, 5, 7});
  const PackedSequences sequences{7, 3, starts.data<std::int32_t>(), nullptr, 4};
  check([&](Tape& t) { return neighbours(t, x, sequences, 3); }, {x});
  x.bind_gradient(Tensor(), -1);
  check(
      [&](Tape& t) {
        const Variable around = neighbours(t, x, sequences, 3);
        return linear(t, around, neighbours(t, x, sequences, 3), Variable());
      },
      {x}, 5e-3);
}

TEST_F(OpsGradient, SelfAttentionOfOneInputAddsItsThreeGradients) {
  const Variable x = leaf(random({6, 8}, 0.5F));
  const Tensor starts = indices<std::int32_t>({0, 6});
  const Tensor examples = indices<std::uint32_t>({0});
  const PackedSequences sequences{6, 1, starts.data<std::int32_t>(), examples.data<std::uint32_t>(), 6};
  check([&](Tape& t) { return attention(t, x, x, x, sequences, AttentionShape::plain(2, 4)); }, {x}, 5e-3);
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
    cross_entropy(t, of, labels, weights, {.label_smoothing = 0.1F}, sum);
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
  cross_entropy(t, logits, labels, Tensor(), {}, sum);
  const double once = sum.data<double>()[0];
  EXPECT_EQ(sum.data<double>()[1], 3.0);
  cross_entropy(t, logits, labels, Tensor(), {}, sum);
  EXPECT_EQ(sum.data<double>()[0], once + once);
  EXPECT_EQ(sum.data<double>()[1], 6.0);
}

}  // namespace
}  // namespace temper
