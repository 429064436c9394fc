#include "tensor/ops/image_rows.h"

#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class ImageRowOps : public testing_support::OpsGradient {
 protected:
  /// Of 3 rows 4.
  static RowMap mixture() {
    std::vector<MixedRow> rows(4);
    rows[0].add(2);
    rows[1].add(0, 0.5F);
    rows[1].add(1, -2.0F);
    rows[3].add(1, 3.0F);
    rows[3].add(2, 0.25F);
    return RowMap(3, rows);
  }
};

TEST_F(ImageRowOps, MixturesMatchCentralDifferences) {
  const RowMap map = mixture();
  const Variable x = leaf(random({6, 5}));
  const Variable added = leaf(random({4, 5}));
  check([&](Tape& t) { return mix_rows(t, x, map, 2, added); }, {x, added});
  for (const Variable& variable : {x, added}) variable.bind_gradient(Tensor(), -1);
  // A second use is added to the first.
  check([&](Tape& t) { return add(t, mix_rows(t, x, map, 2, added), mix_rows(t, x, map, 2, added)); }, {x, added});
}

TEST_F(ImageRowOps, JoinedRowsLieBesideEachOther) {
  const RowMap map = mixture();
  const Variable x = leaf(random({6, 5}));
  Tape t = tape();
  const Tensor apart = mix_rows(t, x, map, 2).value();
  const Tensor joined = mix_rows(t, x, map, 2, {}, 4).value();
  EXPECT_EQ(joined.shape(), Shape({2, 20}));
  for (std::int64_t i = 0; i < 40; ++i) EXPECT_EQ(joined.data<float>()[i], apart.data<float>()[i]);
  check([&](Tape& fresh) { return mix_rows(fresh, x, map, 2, {}, 4); }, {x});
}

TEST_F(ImageRowOps, AParameterOfMoreDimensionsIsOneImage) {
  const RowMap map = mixture();
  const Variable table = leaf(random({1, 3, 5}));
  check([&](Tape& t) { return mix_rows(t, table, map, 1); }, {table});
  EXPECT_EQ(table.gradient().shape(), Shape({1, 3, 5}));
}

TEST_F(ImageRowOps, DroppedImagesAndFactorsMatchCentralDifferences) {
  const Variable x = leaf(random({12, 5}));
  const Variable factors = leaf(random({5}));
  const Tensor examples = indices<std::uint32_t>({3, 1, 4, 1, 5, 9});
  check([&](Tape& t) { return scale_columns(t, drop_images(t, x, examples, t.dropout(0.5, 2)), factors); },
        {x, factors});
  Tape t = tape(Tape::Mode::evaluation);
  EXPECT_EQ(drop_images(t, x, examples, t.dropout(0.5, 2)), x) << "nothing is dropped in evaluation";
}

TEST_F(ImageRowOps, PatchesThroughALinearLayerAreAConvolution) {
  const Tensor pixels = random({2 * 4 * 6, 2});
  const Variable kernel = leaf(random({3, 2, 2, 3}));
  const PatchShape shape{4, 6, 2, 3};
  const auto forward = [&](Tape& t) { return linear(t, patches(t, pixels, shape), kernel, Variable()); };
  Tape t = tape(Tape::Mode::evaluation);
  const Tensor y = forward(t).value();
  ASSERT_EQ(y.shape(), Shape({8, 3}));
  for (std::int64_t row = 0; row < 8; ++row)
    for (std::int64_t out = 0; out < 3; ++out) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < 12; ++i) {
        const std::int64_t channel = i / 6;
        const std::int64_t line = row / 4 * 4 + row / 2 % 2 * 2 + i / 3 % 2;
        const std::int64_t column = row % 2 * 3 + i % 3;
        sum += static_cast<double>(kernel.value().data<float>()[out * 12 + i]) *
               pixels.data<float>()[(line * 6 + column) * 2 + channel];
      }
      EXPECT_NEAR(y.data<float>()[row * 3 + out], sum, 1e-5);
    }
  check(forward, {kernel});
}

TEST_F(ImageRowOps, WhatDoesNotFitIsRefused) {
  Tape t = tape();
  const RowMap map = mixture();
  std::vector<MixedRow> beyond(1);
  beyond[0].add(3);
  EXPECT_THROW(RowMap(3, beyond), Error);
  EXPECT_THROW(mix_rows(t, leaf(random({7, 1})), map, 2), Error);
  EXPECT_THROW(mix_rows(t, leaf(random({6, 5})), map, 2, leaf(random({4, 4}))), Error);
  EXPECT_THROW(mix_rows(t, leaf(random({6, 5})), map, 2, {}, 3), Error);
  EXPECT_THROW(patches(t, random({23, 1}), {4, 6, 2, 3}), Error);
  EXPECT_THROW(patches(t, random({24, 1}), {4, 6, 5, 3}), Error);
  EXPECT_THROW(scale_columns(t, leaf(random({2, 3})), leaf(random({2}))), Error);
  const Tensor examples = indices<std::uint32_t>({3, 1});
  EXPECT_THROW(drop_images(t, leaf(random({3, 3})), examples, t.dropout(0.5, 2)), Error);
}

}  // namespace
}  // namespace temper
