#include "model/layers/disentangled_attention.h"

#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class ProductsByHead : public testing_support::OpsGradient {};

TEST_F(ProductsByHead, MatchCentralDifferences) {
  const Variable x = leaf(random({5, 6}));
  const Variable table = leaf(random({3, 6}));
  check([&](Tape& t) { return products_by_head(t, x, table, 2); }, {x, table});
  // The same twice: gradients add up.
  for (const Variable& leaf : {x, table}) leaf.bind_gradient(Tensor(), -1);
  const Variable square = leaf(random({6, 6}));
  check(
      [&](Tape& t) {
        const Variable once = products_by_head(t, square, square, 2);
        return products_by_head(t, once, once, 3);
      },
      {square}, 1e-2);
}

TEST_F(ProductsByHead, AreThoseOfEachPart) {
  const Variable x = leaf(random({2, 4}));
  const Variable table = leaf(random({3, 4}));
  Tape t = tape();
  const Tensor y = products_by_head(t, x, table, 2).value();
  ASSERT_EQ(y.shape(), (Shape{2, 6}));
  for (std::int64_t row = 0; row < 2; ++row)
    for (std::int64_t head = 0; head < 2; ++head)
      for (std::int64_t entry = 0; entry < 3; ++entry) {
        float expected = 0.0F;
        for (std::int64_t c = 2 * head; c < 2 * head + 2; ++c)
          expected += x.value().data<float>()[row * 4 + c] * table.value().data<float>()[entry * 4 + c];
        EXPECT_NEAR(y.data<float>()[row * 6 + head * 3 + entry], expected, 1e-6F);
      }
}

}  // namespace
}  // namespace temper
