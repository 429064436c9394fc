// Views of values on the tape: their gradients are parts of another's, in whatever order these are written.
#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class Views : public testing_support::OpsGradient {
 protected:
  [[nodiscard]] std::size_t in_use() const { return static_cast<const HostMemory&>(device_->memory()).use().in_use; }
};

TEST_F(Views, ShareMemoryWithTheWhole) {
  const Variable x(random({3, 8}));
  Tape t = tape();
  const auto before = in_use();
  const Variable part = columns(t, x, 2, 5);
  EXPECT_EQ(part.shape(), (Shape{3, 5}));
  EXPECT_EQ(part.value().row_stride(), 8);
  EXPECT_FALSE(part.value().is_contiguous());
  EXPECT_EQ(part.value().as_rows().data, x.value().as_rows().at(0, 2));
  const Variable lower = rows(t, x, 1, 2);
  EXPECT_TRUE(lower.value().is_contiguous());
  EXPECT_EQ(lower.value().data<float>(), x.value().data<float>() + 8);
  EXPECT_EQ(in_use(), before);
}

TEST_F(Views, PartsThatTileTheWholeAreWrittenWithoutClearing) {
  const Variable x = leaf(random({4, 12}));
  const Variable y = leaf(random({4, 4}));
  check(
      [&](Tape& t) {
        const Variable a = columns(t, x, 0, 4);
        const Variable b = columns(t, x, 4, 4);
        const Variable c = columns(t, x, 8, 4);
        return add(t, multiply(t, a, b), multiply(t, c, y));
      },
      {x, y});
}

TEST_F(Views, PartsThatLeaveGapsOrOverlapOrAreNotUsedCountAsZeroThere) {
  const Variable x = leaf(random({4, 12}));
  const auto forget = [&] { x.bind_gradient(Tensor(), -1); };
  check([&](Tape& t) { return scale(t, columns(t, x, 3, 4), 2.0F); }, {x});
  forget();
  check([&](Tape& t) { return multiply(t, columns(t, x, 0, 8), columns(t, x, 4, 8)); }, {x});
  forget();
  check(
      [&](Tape& t) {
        (void)columns(t, x, 0, 6);
        return scale(t, columns(t, x, 6, 6), 2.0F);
      },
      {x});
}

TEST_F(Views, TheWholeMayBeUsedBesideItsPartsBeforeAndAfter) {
  const Variable x = leaf(random({4, 12}));
  const Variable wide = leaf(random({6, 12}, 0.4F));
  for (const bool whole_first : {false, true}) {
    for (const bool tiles : {false, true}) {
      x.bind_gradient(Tensor(), -1);
      wide.bind_gradient(Tensor(), -1);
      check(
          [&](Tape& t) {
            Variable of_whole;
            if (whole_first) of_whole = linear(t, x, wide, Variable());
            const Variable a = columns(t, x, 0, 6);
            const Variable b = tiles ? columns(t, x, 6, 6) : columns(t, x, 5, 6);
            const Variable product = multiply(t, a, b);
            if (!whole_first) of_whole = linear(t, x, wide, Variable());
            return add(t, product, of_whole);
          },
          {x, wide}, 5e-3);
    }
  }
}

TEST_F(Views, TheWholeMayBeUsedBetweenItsParts) {
  const Variable x = leaf(random({4, 12}));
  const Variable wide = leaf(random({6, 12}, 0.4F));
  check(
      [&](Tape& t) {
        const Variable a = columns(t, x, 0, 6);
        const Variable first = scale(t, a, 3.0F);
        const Variable of_whole = linear(t, x, wide, Variable());
        const Variable b = columns(t, x, 6, 6);
        return add(t, multiply(t, first, b), of_whole);
      },
      {x, wide}, 5e-3);
}

TEST_F(Views, OfViewsAreViewsOfTheWhole) {
  const Variable x = leaf(random({6, 12}));
  check(
      [&](Tape& t) {
        const Variable right = columns(t, x, 4, 8);
        const Variable middle = rows(t, columns(t, right, 2, 3), 1, 4);
        EXPECT_EQ(middle.value().as_rows().data, x.value().as_rows().at(1, 6));
        return multiply(t, middle, rows(t, columns(t, x, 0, 3), 2, 4));
      },
      {x});
}

TEST_F(Views, PartsOfAWeightGiveTheOutputsThatTheyAreOf) {
  const Variable x = leaf(random({3, 5}));
  const Variable weight = leaf(random({9, 5}));
  const Variable bias = leaf(random({9}));
  check(
      [&](Tape& t) {
        const Variable lower = linear(t, x, rows(t, weight, 0, 4), rows(t, bias, 0, 4));
        const Variable upper = linear(t, x, rows(t, weight, 4, 4), rows(t, bias, 4, 4));
        return multiply(t, lower, upper);
      },
      {x, weight, bias}, 5e-3);
}

TEST_F(Views, ALeafIsReportedOnceAllItsPartsAreDoneAndAddsUpOverPasses) {
  const Variable weight = leaf(random({8, 5}));
  weight.bind_gradient(Tensor::empty(device_->memory(), {8, 5}), 7);
  const Variable x(random({3, 5}));
  std::vector<std::vector<float>> gradients;
  for (int pass = 0; pass < 3; ++pass) {
    Tape t = tape();
    const Variable upper = linear(t, x, rows(t, weight, 4, 4), Variable());
    const Variable lower = linear(t, x, rows(t, weight, 0, 4), Variable());
    const Variable out = add(t, upper, lower);
    const Tensor ones = Tensor::empty(device_->memory(), out.shape());
    std::fill_n(ones.data<float>(), ones.size(), 1.0F);
    Tape::set_gradient(out, ones);
    std::vector<std::int64_t> completed;
    t.backward([&](std::int64_t number) { completed.push_back(number); });
    EXPECT_EQ(completed, std::vector<std::int64_t>{7});
    gradients.emplace_back(weight.gradient().span<float>().begin(), weight.gradient().span<float>().end());
  }
  for (std::size_t i = 0; i < gradients[0].size(); ++i) {
    EXPECT_FLOAT_EQ(gradients[1][i], 2.0F * gradients[0][i]);
    EXPECT_FLOAT_EQ(gradients[2][i], 3.0F * gradients[0][i]);
  }
}

TEST_F(Views, InsideAndAsTheOutputOfWhatIsComputedAgain) {
  const Variable x = leaf(random({4, 12}));
  const Variable weight = leaf(random({12, 12}, 0.4F));
  check(
      [&](Tape& t) {
        const Variable outside = columns(t, x, 0, 6);
        const Variable inside = t.recompute([&](Tape& on) {
          const Variable hidden = linear(on, x, weight, Variable(), Activation::tanh);
          return columns(on, multiply(on, hidden, x), 3, 6);
        });
        return multiply(t, inside, add(t, outside, columns(t, x, 6, 6)));
      },
      {x, weight}, 5e-3);
}

TEST_F(Views, OfAWeightAreOfItsWorkingCopy) {
  const Variable weight(random({6, 4}));
  weight.set_compute_copy(random({6, 4}));
  Tape t = tape();
  const Variable part = rows(t, weight, 2, 3);
  EXPECT_EQ(part.compute_copy().as_rows().data, weight.compute_copy().as_rows().at(2, 0));
}

TEST_F(Views, OneBlockOfMemoryIsRefused) {
  Tape t = tape();
  const Variable part = columns(t, leaf(random({3, 8})), 2, 5);
  EXPECT_THROW((void)part.value().data<float>(), Error);
  EXPECT_THROW((void)part.value().bytes(), Error);
  EXPECT_THROW((void)part.value().as_row(), Error);
  EXPECT_THROW((void)part.value().part(0, {1, 5}, DType::f32), Error);
  EXPECT_THROW(Tape::set_gradient(part, random({3, 5})), Error);
}

}  // namespace
}  // namespace temper
