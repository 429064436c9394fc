// Products of f32 rows with weights in bf16, f16 or quantised have the bits of those with the same weights in f32,
// whichever way they are computed: few rows, panels, oneDNN, row by row.
#include <bit>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/half_float.h"
#include "tensor/float16.h"
#include "tests/tensor/kernels/kernel_testing.h"
#include "tests/tensor/kernels/reference_blocks.h"

namespace temper {
namespace {

class WidenedWeights : public KernelTest {
 protected:
  /// Of two results, element by element.
  static void expect_same_bits(const TestMatrix& found, const TestMatrix& expected, const std::string& what) {
    for (std::int64_t i = 0; i < expected.rows(); ++i)
      for (std::int64_t j = 0; j < expected.columns(); ++j)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(found(i, j)), std::bit_cast<std::uint32_t>(expected(i, j)))
            << what << ": element " << i << ", " << j;
    EXPECT_TRUE(found.gaps_untouched()) << what;
  }
};
TEMPER_ON_EACH_INSTRUCTION_SET(WidenedWeights);

/// Weights of a narrow type, and the same in f32.
class NarrowMatrix {
 public:
  NarrowMatrix(DType type, TestMatrix values) : type_(type), wide_(std::move(values)) {
    for (std::int64_t i = 0; i < wide_.rows(); ++i)
      for (std::int64_t j = 0; j < wide_.columns(); ++j) {
        const float value = wide_(i, j);
        bits_.push_back(type == DType::bf16 ? to_bfloat16(value).bits : to_f16(value));
        wide_(i, j) = type == DType::bf16 ? to_float(BFloat16{bits_.back()}) : from_f16(bits_.back());
      }
  }
  [[nodiscard]] const TestMatrix& wide() const { return wide_; }
  [[nodiscard]] ConstRows narrow() const {
    return {bits_.data(), wide_.rows(), wide_.columns(), wide_.columns(), type_};
  }

 private:
  DType type_;
  TestMatrix wide_;
  std::vector<std::uint16_t> bits_;
};

constexpr DType kNarrowTypes[] = {DType::bf16, DType::f16};

using Size = std::tuple<std::int64_t, std::int64_t, std::int64_t>;

/// Rows, outputs and inputs: few rows and many, sides that are no whole vectors, and sums in several pieces.
const std::vector<Size>& sizes() {
  static const std::vector<Size> all = {{1, 1, 1},        {3, 48, 96},     {17, 130, 1030},  {32, 208, 512},
                                        {33, 5, 7},       {40, 400, 33},   {100, 1600, 96},  {257, 1100, 768},
                                        {300, 48, 1600},  {520, 1040, 65}, {64, 1088, 2100}, {600, 1552, 800},
                                        {40, 200, 11008}, {33, 130, 14336}};
  return all;
}

TEST_P(WidenedWeights, LinearHasTheBitsOfF32) {
  for (const auto& [m, n, k] : sizes()) {
    for (const auto& [row_by_row, type] :
         {std::pair{false, DType::bf16}, {true, DType::bf16}, {false, DType::f16}, {true, DType::f16}}) {
      if (m * n * k > (1 << 26) && type == DType::f16) continue;  // as bf16 does
      const NarrowMatrix weight(type, TestMatrix::random(n, k, 2));
      for (const std::int64_t gap : {std::int64_t{0}, std::int64_t{5}}) {
        const auto x = TestMatrix::random(m, k, 1, k + gap);
        const auto bias = TestMatrix::random(1, n, 3);
        TestMatrix expected(m, n, n + gap);
        TestMatrix found(m, n, n + gap);
        const auto run = [&](ConstRows w, TestMatrix& y) {
          kernels_.run(calls::LinearForward{.x = x,
                                            .weight = w,
                                            .bias = gap == 0 ? ConstRows(bias) : ConstRows(),
                                            .activation = Activation::silu,
                                            .row_by_row = row_by_row,
                                            .z = y,
                                            .y = y});
        };
        run(weight.wide(), expected);
        run(weight.narrow(), found);
        expect_same_bits(found, expected,
                         "rows " + std::to_string(m) + ", outputs " + std::to_string(n) + ", inputs " +
                             std::to_string(k) + (row_by_row ? ", row by row, " : ", ") + std::string(name_of(type)));
      }
    }
  }
}

TEST_P(WidenedWeights, ProductsHaveTheBitsOfF32) {
  for (const auto& [m, n, k] : sizes()) {
    for (const bool transpose_b : {false, true}) {
      for (const bool accumulate : {false, true}) {
        const DType type = kNarrowTypes[accumulate ? 1 : 0];
        const NarrowMatrix b(type, transpose_b ? TestMatrix::random(n, k, 2) : TestMatrix::random(k, n, 2));
        const auto a = TestMatrix::random(m, k, 1);
        auto expected = TestMatrix::random(m, n, 3, n + 3);
        auto found = TestMatrix::random(m, n, 3, n + 3);
        const auto run = [&](ConstRows right, TestMatrix& c) {
          kernels_.run(calls::Matmul{.a = a, .b = right, .transpose_b = transpose_b, .c = c, .accumulate = accumulate});
        };
        run(b.wide(), expected);
        run(b.narrow(), found);
        expect_same_bits(found, expected,
                         "[" + std::to_string(m) + ", " + std::to_string(k) + "] [" + std::to_string(k) + ", " +
                             std::to_string(n) + "]" + (transpose_b ? " transposed" : ""));
      }
    }
  }
}

TEST_P(WidenedWeights, EmbeddingsAndCopiesHaveTheBitsOfF32) {
  for (const DType type : kNarrowTypes) {
    // Subnormal numbers of f16 among them.
    const NarrowMatrix words(type, TestMatrix::random(40, 70, 1, 0, 1e-4F));
    const auto positions = TestMatrix::random(9, 70, 2, 0, 1e-4F);
    const std::vector<std::int32_t> ids = {39, 0, 7, 7, 12};
    const std::vector<std::int32_t> places = {0, 8, 3, 4, 4};
    const auto run = [&](ConstRows table, TestMatrix& y) {
      kernels_.run(calls::EmbeddingSumForward{.words = table.data,
                                              .words_type = table.type,
                                              .ids = ids.data(),
                                              .positions = positions.data(),
                                              .position_ids = places.data(),
                                              .y = y});
    };
    TestMatrix expected(5, 70, 73);
    TestMatrix found(5, 70, 73);
    run(words.wide(), expected);
    run(words.narrow(), found);
    expect_same_bits(found, expected, "embeddings");
    TestMatrix copied(40, 70);
    kernels_.run(calls::Copy{.x = words.narrow(), .y = copied});
    expect_same_bits(copied, words.wide(), "copies");
  }
}

/// Quantised weights, and the same in f32. Rows of heads of `paired` rows lie in pairs.
class QuantizedMatrix {
 public:
  QuantizedMatrix(const reference_blocks::Format& format, std::int64_t rows, std::int64_t columns,
                  std::int64_t paired = 0)
      : type_(format.type),
        paired_(paired),
        blocks_(reference_blocks::random_blocks(format, rows * columns, 7)),
        wide_(rows, columns) {
    const std::vector<float> values = reference_blocks::values_of(format, blocks_);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t in_memory = narrow().place.row_in_memory(i);
      for (std::int64_t j = 0; j < columns; ++j)
        wide_(i, j) = values[static_cast<std::size_t>(in_memory * columns + j)];
    }
  }
  [[nodiscard]] const TestMatrix& wide() const { return wide_; }
  [[nodiscard]] ConstRows narrow() const {
    ConstRows rows(blocks_.data(), wide_.rows(), wide_.columns(), wide_.columns(), type_);
    rows.place.paired = paired_;
    return rows;
  }

 private:
  DType type_;
  std::int64_t paired_;
  std::vector<std::byte> blocks_;
  TestMatrix wide_;
};

/// Rows, outputs and inputs of quantised weights: few rows and many, several pieces, and columns that no tile divides.
/// What takes more multiplications than kSmall is tried in one format.
constexpr std::int64_t kSmall = std::int64_t{1} << 23;
const std::vector<Size> kQuantizedSizes = {{1, 48, 512},   {3, 34, 256},    {7, 24, 1792},  {32, 208, 768},
                                           {40, 408, 256}, {300, 48, 1792}, {70, 1056, 512}};

TEST_P(WidenedWeights, LinearOfQuantisedWeightsHasTheBitsOfF32) {
  for (const reference_blocks::Format& format : reference_blocks::formats()) {
    for (const auto& [m, n, k] : kQuantizedSizes) {
      if (m * n * k > kSmall && format.type != DType::q6_k) continue;
      for (const std::int64_t paired : {std::int64_t{0}, n}) {
        const QuantizedMatrix weight(format, n, k, paired);
        const auto x = TestMatrix::random(m, k, 1);
        const auto bias = TestMatrix::random(1, n, 3);
        for (const bool row_by_row : {false, true}) {
          TestMatrix expected(m, n, n + 5);
          TestMatrix found(m, n, n + 5);
          const auto run = [&](ConstRows w, TestMatrix& y) {
            kernels_.run(calls::LinearForward{
                .x = x, .weight = w, .bias = ConstRows(bias), .row_by_row = row_by_row, .z = y, .y = y});
          };
          run(weight.wide(), expected);
          run(weight.narrow(), found);
          expect_same_bits(found, expected,
                           "rows " + std::to_string(m) + ", outputs " + std::to_string(n) + ", inputs " +
                               std::to_string(k) + (row_by_row ? ", row by row, " : ", ") +
                               std::string(name_of(format.type)) + ", pairs of " + std::to_string(paired));
        }
      }
    }
  }
}

TEST_P(WidenedWeights, ProductsWithQuantisedWeightsHaveTheBitsOfF32) {
  for (const reference_blocks::Format& format : reference_blocks::formats()) {
    // [m, n] [n, k], as the gradient of a layer's input is made, or parts of the weights' rows.
    for (const auto& [m, n, k] : kQuantizedSizes) {
      if (m * n * k > kSmall && format.type != DType::q5_k) continue;
      for (const bool transpose_b : {false, true}) {
        const QuantizedMatrix weight(format, n, k, n % 4 == 0 ? n / 2 : 0);
        const std::int64_t first = n / 4;
        const std::int64_t rows = n / 2;
        const auto a = TestMatrix::random(m, transpose_b ? k : rows, 1);
        auto expected = TestMatrix::random(m, transpose_b ? rows : k, 3);
        auto found = TestMatrix::random(m, transpose_b ? rows : k, 3);
        const auto run = [&](ConstRows right, TestMatrix& c) {
          kernels_.run(calls::Matmul{
              .a = a, .b = right.part(first, rows), .transpose_b = transpose_b, .c = c, .accumulate = !transpose_b});
        };
        run(weight.wide(), expected);
        run(weight.narrow(), found);
        expect_same_bits(found, expected,
                         "[" + std::to_string(m) + ", .] times rows of [" + std::to_string(n) + ", " +
                             std::to_string(k) + "]" + (transpose_b ? " transposed, " : ", ") +
                             std::string(name_of(format.type)));
      }
    }
  }
}

TEST_P(WidenedWeights, QuantisedEmbeddingsAndCopiesHaveTheBitsOfF32) {
  for (const reference_blocks::Format& format : reference_blocks::formats()) {
    const QuantizedMatrix words(format, 40, 512);
    const std::vector<std::int32_t> ids = {39, 0, 7, 7, 12};
    TestMatrix expected(5, 512, 515);
    TestMatrix found(5, 512, 515);
    const auto run = [&](ConstRows table, TestMatrix& y) {
      kernels_.run(
          calls::EmbeddingSumForward{.words = table.data, .words_type = table.type, .ids = ids.data(), .y = y});
    };
    run(words.wide(), expected);
    run(words.narrow(), found);
    expect_same_bits(found, expected, "embeddings of " + std::string(name_of(format.type)));
    const QuantizedMatrix paired(format, 40, 512, 20);
    TestMatrix copied(40, 512, 520);
    kernels_.run(calls::Copy{.x = paired.narrow(), .y = copied});
    expect_same_bits(copied, paired.wide(), "copies of " + std::string(name_of(format.type)));
    std::vector<BFloat16> rounded(40 * 512);
    std::vector<BFloat16> expected_rounded(40 * 512);
    kernels_.run(calls::Copy{.x = paired.narrow(), .y = Rows(rounded.data(), 40, 512, 512, DType::bf16)});
    kernels_.run(
        calls::Copy{.x = ConstRows(paired.wide()), .y = Rows(expected_rounded.data(), 40, 512, 512, DType::bf16)});
    for (std::size_t i = 0; i < rounded.size(); ++i)
      ASSERT_EQ(rounded[i].bits, expected_rounded[i].bits) << name_of(format.type) << " in bf16: " << i;
  }
}

}  // namespace
}  // namespace temper
