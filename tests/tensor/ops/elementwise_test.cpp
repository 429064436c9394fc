#include "tensor/ops/elementwise.h"

#include <cmath>
#include <vector>

#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class ElementwiseOps : public testing_support::OpsGradient {
 protected:
  Tensor examples_ = indices<std::uint32_t>({1, 1, 2});
  Tensor positions_ = indices<std::uint32_t>({0, 1, 0});
  TokenKeys names_{examples_.data<std::uint32_t>(), positions_.data<std::uint32_t>()};
};

TEST_F(ElementwiseOps, GradientsMatchCentralDifferences) {
  const Variable a = leaf(random({3, 19}));
  const Variable b = leaf(random({3, 19}));
  const auto forget = [&] {
    for (const Variable& variable : {a, b}) variable.bind_gradient(Tensor(), -1);
  };
  check([&](Tape& t) { return add(t, a, b); }, {a, b});
  forget();
  check([&](Tape& t) { return add(t, a, b, names_, t.dropout(0.4, 2)); }, {a, b});
  forget();
  check([&](Tape& t) { return multiply(t, a, b); }, {a, b});
  forget();
  check([&](Tape& t) { return scale(t, a, -1.7F); }, {a});
}

TEST_F(ElementwiseOps, WhatIsUsedTwiceAddsItsGradients) {
  const Variable a = leaf(random({3, 19}));
  const auto forget = [&] { a.bind_gradient(Tensor(), -1); };
  check([&](Tape& t) { return add(t, a, a); }, {a});
  forget();
  check([&](Tape& t) { return multiply(t, a, a); }, {a});
  forget();
  check([&](Tape& t) { return add(t, scale(t, a, 2.0F), multiply(t, a, scale(t, a, 0.5F))); }, {a});
}

// A gradient that is handed on belongs to one variable: what is added to it must not show in another.
TEST_F(ElementwiseOps, AResidualStreamKeepsItsGradientsApart) {
  const Variable a = leaf(random({3, 19}));
  const Variable b = leaf(random({3, 19}));
  check(
      [&](Tape& t) {
        const Variable sum = add(t, a, b);
        const Variable product = multiply(t, sum, b);
        return add(t, add(t, product, sum), a);
      },
      {a, b});
}

TEST_F(ElementwiseOps, WhoNeedsNoGradientGetsNone) {
  const Variable a = leaf(random({3, 19}));
  const Variable fixed(random({3, 19}));
  const auto forget = [&] { a.bind_gradient(Tensor(), -1); };
  check([&](Tape& t) { return add(t, a, fixed); }, {a});
  forget();
  check([&](Tape& t) { return add(t, fixed, a); }, {a});
  forget();
  check([&](Tape& t) { return multiply(t, fixed, a); }, {a});
  EXPECT_FALSE(fixed.gradient().defined());
}

TEST_F(ElementwiseOps, DropoutMatchesCentralDifferences) {
  const Variable x = leaf(random({3, 19}));
  check([&](Tape& t) { return dropout(t, x, names_, t.dropout(0.4, 2)); }, {x});
}

// Rows that are counted within their examples have the masks of rows that are named one by one, and what is kept of a
// row is scaled so that its expectation stays.
TEST_F(ElementwiseOps, CountedRowsDropAsNamedOnesDo) {
  constexpr std::int64_t kEach = 300;
  std::vector<std::uint32_t> examples;
  std::vector<std::uint32_t> positions;
  for (const std::uint32_t example : {7U, 2U, 9U})
    for (std::uint32_t position = 0; position < kEach; ++position) {
      examples.push_back(example);
      positions.push_back(position);
    }
  const Tensor of_rows = indices<std::uint32_t>(examples);
  const Tensor in_example = indices<std::uint32_t>(positions);
  const Tensor counted = indices<std::uint32_t>({7, 2, 9});
  const Variable ones(random({3 * kEach, 19}, 0.0F, 1.0F));
  Tape t = tape();
  const auto dropped = [&](TokenKeys names) {
    return device_->download_as_f32(dropout(t, ones, names, t.dropout(0.25, 2)).value());
  };
  const std::vector<float> named = dropped({of_rows.data<std::uint32_t>(), in_example.data<std::uint32_t>()});
  EXPECT_EQ(dropped({counted.data<std::uint32_t>(), nullptr, kEach}), named);
  double sum = 0.0;
  for (const float value : named) {
    EXPECT_TRUE(value == 0.0F || std::abs(value - 4.0F / 3.0F) < 1e-6F) << value;
    sum += value;
  }
  EXPECT_NEAR(sum / static_cast<double>(named.size()), 1.0, 0.02);
}

TEST_F(ElementwiseOps, TwoShapesAreRefused) {
  Tape t = tape();
  const Variable a = leaf(random({3, 4}));
  const Variable b = leaf(random({4, 3}));
  EXPECT_THROW(add(t, a, b), Error);
  EXPECT_THROW(multiply(t, a, b), Error);
  EXPECT_THROW(columns(t, a, 2, 3), Error);
  EXPECT_THROW(rows(t, a, -1, 2), Error);
}

}  // namespace
}  // namespace temper
