#include "tensor/ops/convolution.h"

#include "base/error.h"
#include "tests/tensor/kernels/window_cases.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class ConvolutionOps : public testing_support::OpsGradient {};

TEST_F(ConvolutionOps, MatchCentralDifferences) {
  for (const WindowShape& shape : testing_support::window_shapes()) {
    const std::int64_t taps = shape.kernel_height * shape.kernel_width;
    const Variable x = leaf(random({shape.images * shape.height * shape.width, 3}));
    const Variable weight = leaf(random({4, taps * 3}, 0.3F));
    const Variable bias = leaf(random({4}));
    check([&](Tape& t) { return convolution(t, x, weight, bias, shape); }, {x, weight, bias}, 1e-2);
  }
}

// A gradient that is there already is added to: two convolutions of one map.
TEST_F(ConvolutionOps, OfOneMapTwiceMatchCentralDifferences) {
  for (const std::int64_t stride : {1, 2}) {
    const WindowShape shape{2, 5, 6, 3, 3, stride, 1};
    const WindowShape narrow{2, 5, 6, 1, 1, stride, 0};
    const Variable x = leaf(random({60, 3}));
    const Variable weight = leaf(random({4, 27}, 0.3F));
    const Variable shortcut = leaf(random({4, 3}, 0.3F));
    check(
        [&](Tape& t) {
          return add(t, convolution(t, x, weight, Variable(), shape), convolution(t, x, shortcut, Variable(), narrow));
        },
        {x, weight, shortcut}, 1e-2);
  }
}

TEST_F(ConvolutionOps, FrozenWeightsGiveTheGradientOfTheInputAlone) {
  const WindowShape shape{1, 6, 6, 3, 3, 2, 1};
  const Variable x = leaf(random({36, 3}));
  const Variable weight(random({4, 27}, 0.3F));
  const Variable bias = leaf(random({4}));
  check([&](Tape& t) { return convolution(t, x, weight, bias, shape); }, {x, bias}, 1e-2);
  EXPECT_FALSE(weight.gradient().defined());
}

TEST_F(ConvolutionOps, OneKernelForEachChannelMatchesCentralDifferences) {
  for (const WindowShape& shape : {WindowShape{2, 9, 8, 7, 7, 1, 3}, WindowShape{1, 5, 6, 3, 3, 1, 0}}) {
    const Variable x = leaf(random({shape.images * shape.height * shape.width, 5}));
    const Variable weight = leaf(random({shape.kernel_height * shape.kernel_width, 5}, 0.3F));
    const Variable bias = leaf(random({5}));
    check(
        [&](Tape& t) {
          return add(t, depthwise_convolution(t, x, weight, bias, shape),
                     depthwise_convolution(t, x, weight, bias, shape));
        },
        {x, weight, bias}, 1e-2);
  }
}

TEST_F(ConvolutionOps, PoolingMatchesCentralDifferences) {
  const WindowShape shape{2, 7, 8, 3, 3, 2, 1};
  const Variable x = leaf(random({112, 5}));
  // Far apart, so that no step makes another one the largest.
  const auto values = x.value().span<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 37) % 101) * 0.1F;
  check([&](Tape& t) { return max_pool(t, x, shape); }, {x});
}

TEST_F(ConvolutionOps, MapsOfAnotherSizeAreRefused) {
  Tape t = tape();
  const Variable x(random({30, 3}));
  const Variable weight(random({4, 27}));
  EXPECT_THROW(convolution(t, x, weight, Variable(), {1, 5, 5, 3, 3, 1, 1}), Error);
  EXPECT_THROW(convolution(t, x, Variable(random({4, 26})), Variable(), {1, 5, 6, 3, 3, 1, 1}), Error);
  EXPECT_THROW(convolution(t, x, weight, Variable(), {15, 2, 1, 3, 3, 1, 0}), Error);
  EXPECT_THROW(max_pool(t, x, {1, 5, 6, 3, 3, 2, 2}), Error);
}

}  // namespace
}  // namespace temper
