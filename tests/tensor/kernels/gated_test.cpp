// Gated units against the activation's own kernels, which have their own reference.
#include <omp.h>

#include "tests/activations.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class GatedTest : public KernelTest {
 protected:
  TestMatrix activated(TestMatrix z, Activation activation) {
    TestMatrix y(z.rows(), z.columns());
    kernels_.run(calls::BiasActivationForward{.z = z, .activation = activation, .y = y});
    return y;
  }
};
TEMPER_ON_EACH_INSTRUCTION_SET(GatedTest);

TEST_P(GatedTest, ForwardIsTheActivationTimesTheValue) {
  for (const Activation activation : kEveryActivation) {
    for (const std::int64_t width : {1, 7, 33, 384}) {
      // Both halves of one matrix.
      auto x = TestMatrix::random(4, 2 * width, 1);
      const Rows all = x;
      const Rows gate(all.data, 4, width, 2 * width, DType::f32);
      const Rows value(all.at(0, width), 4, width, 2 * width, DType::f32);
      TestMatrix first(4, width);
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < width; ++j) first(i, j) = x(i, j);
      }
      const auto active = activated(first, activation);
      TestMatrix y(4, width, width + 3);
      kernels_.run(calls::GatedForward{.gate = gate, .value = value, .activation = activation, .y = y});
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < width; ++j) ASSERT_EQ(y(i, j), active(i, j) * x(i, width + j));
      }
      EXPECT_TRUE(y.gaps_untouched());
    }
  }
}

TEST_P(GatedTest, BackwardGivesBothOrEither) {
  for (const Activation activation : kEveryActivation) {
    for (const std::int64_t width : {1, 7, 33, 384}) {
      const auto dy = TestMatrix::random(4, width, 1, width + 1);
      auto gate = TestMatrix::random(4, width, 2, width + 2);
      const auto value = TestMatrix::random(4, width, 3, width + 3);
      const auto active = activated(gate, activation);
      // The slope is what the activation's own backward makes of dy * value.
      TestMatrix expected_gate(4, width);
      kernels_.run(calls::MultiplyRows{.a = dy, .b = value, .y = expected_gate});
      kernels_.run(calls::BiasActivationBackward{
          .dy = expected_gate, .z = gate, .y = active, .activation = activation, .dz = expected_gate});
      for (const bool wants_gate : {false, true}) {
        for (const bool wants_value : {false, true}) {
          TestMatrix d_gate(4, width, width + 4);
          TestMatrix d_value(4, width);
          kernels_.run(calls::GatedBackward{.dy = dy,
                                            .gate = gate,
                                            .value = value,
                                            .activation = activation,
                                            .d_gate = wants_gate ? Rows(d_gate) : Rows(),
                                            .d_value = wants_value ? Rows(d_value) : Rows()});
          for (std::int64_t i = 0; i < 4; ++i) {
            for (std::int64_t j = 0; j < width; ++j) {
              if (wants_gate) {
                ASSERT_EQ(d_gate(i, j), expected_gate(i, j)) << "[" << i << ", " << j << "]";
              }
              if (wants_value) {
                ASSERT_EQ(d_value(i, j), dy(i, j) * active(i, j)) << "[" << i << ", " << j << "]";
              }
            }
          }
          EXPECT_TRUE(d_gate.gaps_untouched());
        }
      }
    }
  }
}

TEST_P(GatedTest, GradientsMayLieWhereTheInputsDo) {
  const auto dy = TestMatrix::random(4, 33, 1);
  const auto gate = TestMatrix::random(4, 33, 2);
  const auto value = TestMatrix::random(4, 33, 3);
  TestMatrix d_gate(4, 33);
  TestMatrix d_value(4, 33);
  kernels_.run(calls::GatedBackward{
      .dy = dy, .gate = gate, .value = value, .activation = Activation::gelu, .d_gate = d_gate, .d_value = d_value});
  auto over_gate = gate;
  auto over_value = value;
  kernels_.run(calls::GatedBackward{.dy = dy,
                                    .gate = over_gate,
                                    .value = over_value,
                                    .activation = Activation::gelu,
                                    .d_gate = over_gate,
                                    .d_value = over_value});
  EXPECT_EQ(over_gate.values(), d_gate.values());
  EXPECT_EQ(over_value.values(), d_value.values());
}

TEST_P(GatedTest, BitsDoNotDependOnThreads) {
  const int before = omp_get_max_threads();
  const auto gate = TestMatrix::random(600, 96, 1);
  const auto value = TestMatrix::random(600, 96, 2);
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    TestMatrix y(600, 96);
    kernels_.run(calls::GatedForward{.gate = gate, .value = value, .activation = Activation::silu, .y = y});
    TestMatrix d_gate(600, 96);
    kernels_.run(
        calls::GatedBackward{.dy = y, .gate = gate, .value = value, .activation = Activation::silu, .d_gate = d_gate});
    results.push_back(y.values());
    results.push_back(d_gate.values());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(results[0], results[2]);
  EXPECT_EQ(results[1], results[3]);
}

}  // namespace
}  // namespace temper
