#include <numeric>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr std::int64_t kSumRows = 5;
const Dropout kSumDropout{.rate = 0.25F, .place = 9, .key = random_key(3, 4)};

class ElementwiseTest : public KernelTest {
 protected:
  /// y(i, j) = function(i, j), exactly.
  template <typename Function>
  static void expect(const TestMatrix& y, const Function& function) {
    for (std::int64_t i = 0; i < y.rows(); ++i) {
      for (std::int64_t j = 0; j < y.columns(); ++j) ASSERT_EQ(y(i, j), function(i, j)) << "[" << i << ", " << j << "]";
    }
    EXPECT_TRUE(y.gaps_untouched());
  }
};
TEMPER_ON_EACH_INSTRUCTION_SET(ElementwiseTest);

TEST_P(ElementwiseTest, AddsWithAndWithoutDropout) {
  std::vector<std::uint32_t> examples(kSumRows);
  std::iota(examples.begin(), examples.end(), 20U);
  const std::vector<std::uint32_t> positions(kSumRows, 4);
  for (const std::int64_t width : {1, 7, 33, 384}) {
    const auto a = TestMatrix::random(kSumRows, width, 1, width + 3);
    const auto b = TestMatrix::random(kSumRows, width, 2, width + 1);
    TestMatrix y(kSumRows, width, width + 2);
    kernels_.run(calls::AddRows{.a = a, .b = b, .y = y});
    expect(y, [&](std::int64_t i, std::int64_t j) { return a(i, j) + b(i, j); });
    kernels_.run(
        calls::AddRows{.a = a, .b = b, .names = {examples.data(), positions.data()}, .dropout = kSumDropout, .y = y});
    expect(y, [&](std::int64_t i, std::int64_t j) {
      const double factor =
          dropout_factor(kSumDropout, static_cast<std::uint32_t>(j), 4, 20 + static_cast<std::uint32_t>(i));
      return a(i, j) * static_cast<float>(factor) + b(i, j);
    });
  }
}

TEST_P(ElementwiseTest, MultipliesAndScalesAndAddsToWhatIsThere) {
  for (const std::int64_t width : {1, 7, 33, 384}) {
    const auto a = TestMatrix::random(kSumRows, width, 1, width + 3);
    const auto b = TestMatrix::random(kSumRows, width, 2, width + 1);
    const auto before = TestMatrix::random(kSumRows, width, 3);
    TestMatrix y(kSumRows, width, width + 2);
    kernels_.run(calls::MultiplyRows{.a = a, .b = b, .y = y});
    expect(y, [&](std::int64_t i, std::int64_t j) { return a(i, j) * b(i, j); });
    kernels_.run(calls::ScaleRows{.x = a, .factor = -0.3F, .y = y});
    expect(y, [&](std::int64_t i, std::int64_t j) { return a(i, j) * -0.3F; });

    TestMatrix product = before;
    kernels_.run(calls::MultiplyRows{.a = a, .b = b, .y = product, .accumulate = true});
    expect(product, [&](std::int64_t i, std::int64_t j) { return before(i, j) + a(i, j) * b(i, j); });
    TestMatrix multiple = before;
    kernels_.run(calls::ScaleRows{.x = a, .factor = 1.5F, .y = multiple, .accumulate = true});
    expect(multiple, [&](std::int64_t i, std::int64_t j) { return before(i, j) + a(i, j) * 1.5F; });
  }
}

TEST_P(ElementwiseTest, EachMayWriteOverItsInput) {
  const auto a = TestMatrix::random(kSumRows, 33, 1);
  const auto b = TestMatrix::random(kSumRows, 33, 2);
  auto sum = a;
  kernels_.run(calls::AddRows{.a = sum, .b = b, .y = sum});
  auto product = b;
  kernels_.run(calls::MultiplyRows{.a = a, .b = product, .y = product});
  auto multiple = a;
  kernels_.run(calls::ScaleRows{.x = multiple, .factor = 2.0F, .y = multiple});
  expect(sum, [&](std::int64_t i, std::int64_t j) { return a(i, j) + b(i, j); });
  expect(product, [&](std::int64_t i, std::int64_t j) { return a(i, j) * b(i, j); });
  expect(multiple, [&](std::int64_t i, std::int64_t j) { return a(i, j) * 2.0F; });
}

TEST_P(ElementwiseTest, ClearsRowsThatLieApart) {
  for (const std::int64_t rows : {1, 3, 4000}) {
    TestMatrix x(rows, 9, 14);
    const Rows all = x;
    kernels_.run(calls::Clear{.data = all.at(0, 2), .bytes = 5 * 4, .rows = rows, .stride = 14 * 4});
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < 14; ++j)
        ASSERT_EQ(x(i, j), j >= 2 && j < 7 ? 0.0F : TestMatrix::kUntouched) << "[" << i << ", " << j << "]";
    }
  }
}

}  // namespace
}  // namespace temper
