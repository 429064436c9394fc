// What a model makes of a text does not depend on which others come with it (design.md, decision 7): in every product
// of a forward pass, a row has the bits that it has alone.
#include <cmath>
#include <cstring>
#include <random>

#include "tensor/device.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr std::int64_t kMany = 600;

/// Which rows come together: around what kernels take at a time, and some drawn at random.
std::vector<std::pair<std::int64_t, std::int64_t>> companies(std::mt19937& generator) {
  std::vector<std::int64_t> counts = {2, 3, 5, 6, 7, 8, 9, 12, 13, 16, 31, 32, 33, 47, 48, 255, 256, 257, 511, 599};
  for (int i = 0; i < 6; ++i) counts.push_back(std::uniform_int_distribution<std::int64_t>(1, kMany)(generator));
  std::vector<std::pair<std::int64_t, std::int64_t>> result{{0, kMany}};
  for (const std::int64_t count : counts)
    result.emplace_back(std::uniform_int_distribution<std::int64_t>(0, kMany - count)(generator), count);
  return result;
}

/// Sides of a model's matrices, and others, odd ones among them.
std::vector<std::pair<std::int64_t, std::int64_t>> shapes(std::mt19937& generator) {
  std::vector<std::pair<std::int64_t, std::int64_t>> result = {
      {1, 32}, {1, 384}, {2, 513}, {3, 1030}, {384, 384}, {151, 384}, {64, 1536}, {91, 768}, {31, 1}, {16, 3072}};
  std::uniform_int_distribution<std::int64_t> n(1, 130);
  std::uniform_int_distribution<std::int64_t> k(1, 1100);
  for (int i = 0; i < 6; ++i) result.emplace_back(n(generator), k(generator));
  return result;
}

/// Some matrices lie in wider ones.
std::int64_t stride_of(std::int64_t n, std::int64_t k) { return n % 2 == 0 ? k : k + 3; }

/// Compares each row of some of x's rows with the same row alone. multiply(x, y) is the product.
template <typename Multiply>
void expect_each_row_alone(ConstRows x, std::int64_t columns, DType result, std::mt19937& generator,
                           const Multiply& multiply) {
  const std::size_t row_bytes = static_cast<std::size_t>(columns) * size_of(result);
  std::vector<std::byte> alone(static_cast<std::size_t>(kMany) * row_bytes);
  std::vector<std::byte> together(alone.size());
  const auto rows_of = [&](std::vector<std::byte>& memory, std::int64_t first, std::int64_t count) {
    return Rows(memory.data() + static_cast<std::size_t>(first) * row_bytes, count, columns, columns, result);
  };
  for (std::int64_t i = 0; i < kMany; ++i) multiply(x.part(i, 1), rows_of(alone, i, 1));
  for (const auto& [first, count] : companies(generator)) {
    multiply(x.part(first, count), rows_of(together, first, count));
    const std::size_t begin = static_cast<std::size_t>(first) * row_bytes;
    ASSERT_EQ(std::memcmp(together.data() + begin, alone.data() + begin, static_cast<std::size_t>(count) * row_bytes),
              0)
        << "rows " << first << " to " << first + count << " of [" << x.columns << ", " << columns << "]";
  }
}

class RowBits : public KernelTest {
 protected:
  std::mt19937 generator_{7};
};
TEMPER_ON_EACH_INSTRUCTION_SET(RowBits);

TEST_P(RowBits, OfALinearLayerAreThoseOfTheRowAlone) {
  for (const auto& [n, k] : shapes(generator_)) {
    const auto x = TestMatrix::random(kMany, k, 1, stride_of(n, k));
    const auto weight = TestMatrix::random(n, k, 2);
    const auto bias = TestMatrix::random(1, n, 3);
    expect_each_row_alone(x, n, DType::f32, generator_, [&](ConstRows some, Rows y) {
      const bool plain = k % 2 == 0;
      kernels_.run(calls::LinearForward{.x = some,
                                        .weight = weight,
                                        .bias = plain ? ConstRows() : ConstRows(bias),
                                        .activation = plain ? Activation::none : Activation::gelu,
                                        .z = y,
                                        .y = y});
    });
    if (HasFatalFailure()) return;
  }
}

/// As a language model's next tokens are computed, whose own order of sums is near the other.
TEST_P(RowBits, OfALinearLayerRowByRowAreThoseOfTheRowAlone) {
  for (const auto& [n, k] : shapes(generator_)) {
    const auto x = TestMatrix::random(kMany, k, 1, stride_of(n, k));
    const auto weight = TestMatrix::random(n, k, 2);
    const auto bias = TestMatrix::random(1, n, 3);
    const auto multiply = [&, n = n](ConstRows some, Rows y, bool row_by_row) {
      kernels_.run(calls::LinearForward{.x = some,
                                        .weight = weight,
                                        .bias = n % 3 == 0 ? ConstRows() : ConstRows(bias),
                                        .activation = n % 3 == 0 ? Activation::none : Activation::gelu,
                                        .row_by_row = row_by_row,
                                        .z = y,
                                        .y = y});
    };
    expect_each_row_alone(x, n, DType::f32, generator_, [&](ConstRows some, Rows y) { multiply(some, y, true); });
    if (HasFatalFailure()) return;
    const auto other = TestMatrix::random(kMany, n, 4);
    const auto own = TestMatrix::random(kMany, n, 5);
    const auto writable = [](const TestMatrix& m) {
      const ConstRows rows = m;
      return Rows(const_cast<void*>(rows.data), rows.rows, rows.columns, rows.stride, rows.type);
    };
    multiply(x, writable(own), true);
    multiply(x, writable(other), false);
    const ConstMatrix a = ConstRows(own).as<float>();
    const ConstMatrix b = ConstRows(other).as<float>();
    for (std::int64_t i = 0; i < kMany; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        ASSERT_NEAR(a.row(i)[j], b.row(i)[j], 1e-4 * std::sqrt(static_cast<double>(k)) + 1e-5) << n << " by " << k;
  }
}

/// As attention over inputs uses it, over a head's width (kernels.h).
TEST_P(RowBits, OfAProductOfTwoMatricesAreThoseOfTheRowAlone) {
  for (const auto& [n, k] : shapes(generator_)) {
    const std::int64_t inner = std::min<std::int64_t>(k, 256);
    const auto x = TestMatrix::random(kMany, inner, 1, stride_of(n, inner));
    const auto weight = TestMatrix::random(inner, n, 2);
    expect_each_row_alone(x, n, DType::f32, generator_,
                          [&](ConstRows some, Rows y) { kernels_.run(calls::Matmul{.a = some, .b = weight, .c = y}); });
    if (HasFatalFailure()) return;
  }
}

TEST(RowBitsOfBFloat16, AreThoseOfTheRowAlone) {
  if (!make_cpu_device()->has_bf16()) GTEST_SKIP() << "skipped: this processor has no products of bf16";
  CpuKernels kernels;
  std::mt19937 generator(7);
  for (const auto& [n, k] : shapes(generator)) {
    const std::int64_t stride = stride_of(n, k);
    RoundedMatrix wide(TestMatrix::random(kMany, stride, 1));
    const Rows x(wide.elements().data, kMany, k, stride, DType::bf16);
    RoundedMatrix weight(TestMatrix::random(n, k, 2));
    RoundedMatrix bias(TestMatrix::random(1, n, 3));
    for (const auto& [activation, row_by_row] : {std::pair{Activation::none, false},
                                                 {Activation::gelu, false},
                                                 {Activation::none, true},
                                                 {Activation::gelu, true}}) {
      expect_each_row_alone(
          x, n, DType::bf16, generator, [&, activation = activation, row_by_row = row_by_row](ConstRows some, Rows y) {
            kernels.run(calls::LinearForward{.x = some,
                                             .weight = weight.elements(),
                                             .bias = activation == Activation::none ? Rows() : Rows(bias.elements()),
                                             .activation = activation,
                                             .row_by_row = row_by_row,
                                             .z = y,
                                             .y = y});
          });
      if (testing::Test::HasFatalFailure()) return;
    }
    expect_each_row_alone(x, n, DType::f32, generator, [&](ConstRows some, Rows y) {
      kernels.run(calls::Matmul{.a = some, .b = weight.elements(), .transpose_b = true, .c = y});
    });
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace temper
