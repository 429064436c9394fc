// Adafactor's kernels against loops in double, on slices that begin anywhere in a matrix.
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class AdafactorStepTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(AdafactorStepTest);

struct SliceCase {
  std::int64_t columns;
  std::int64_t begin;  ///< in the matrix
  SlicePieces pieces;
};

/// Many rows per piece, pieces within a row, a column alone, and a slice that is shorter than its first piece.
const std::vector<SliceCase> kSlices = {{7, 0, {210, 64, 64}},    {7, 10, {200, 3, 64}},   {100, 130, {250, 30, 64}},
                                        {100, 90, {300, 64, 64}}, {1, 5, {130, 64, 64}},   {64, 0, {128, 64, 64}},
                                        {7, 3, {2, 2, 64}},       {1000, 998, {5, 5, 64}}, {7, 0, {0, 0, 64}}};

std::int64_t rows_of(const SliceCase& slice) { return (slice.begin + slice.pieces.n) / slice.columns + 1; }

TEST_P(AdafactorStepTest, FactoredSquareSumsAreThoseOfRowsAndColumns) {
  for (const SliceCase& slice : kSlices) {
    const auto gradients = TestMatrix::random(1, slice.pieces.n, 2);
    const FactoredSums layout(slice.pieces.piece, slice.columns);
    std::vector<double> sums(static_cast<std::size_t>(slice.pieces.count() * layout.size()), -1.0);
    kernels_.run(calls::FactoredSquareSums{.gradients = gradients.data(),
                                           .pieces = slice.pieces,
                                           .begin = slice.begin,
                                           .columns = slice.columns,
                                           .sums = sums.data()});
    std::vector<double> found_rows(static_cast<std::size_t>(rows_of(slice)));
    std::vector<double> found_columns(static_cast<std::size_t>(slice.columns));
    std::vector<double> rows = found_rows;
    std::vector<double> columns = found_columns;
    for (std::int64_t piece = 0; piece < slice.pieces.count(); ++piece) {
      const std::int64_t begin = slice.begin + slice.pieces.begin(piece);
      const double* of_piece = sums.data() + piece * layout.size();
      for (std::int64_t i = 0; i < layout.rows; ++i) {
        const auto row = static_cast<std::size_t>(begin / slice.columns + i);
        if (row < rows.size()) {
          found_rows[row] += of_piece[i];
        } else {
          EXPECT_EQ(of_piece[i], 0.0);
        }
      }
      for (std::int64_t i = 0; i < layout.columns; ++i)
        found_columns[static_cast<std::size_t>(layout.column_of(i, begin))] += of_piece[layout.rows + i];
      for (std::int64_t i = slice.pieces.begin(piece); i < slice.pieces.end(piece); ++i) {
        const double square = static_cast<double>(gradients(0, i)) * static_cast<double>(gradients(0, i));
        rows[static_cast<std::size_t>((slice.begin + i) / slice.columns)] += square;
        columns[static_cast<std::size_t>((slice.begin + i) % slice.columns)] += square;
      }
    }
    expect_close(found_rows, rows, 1e-12);
    expect_close(found_columns, columns, 1e-12);
  }
}

TEST_P(AdafactorStepTest, SumsAndStepsAreThoseOfItsUpdate) {
  const AdafactorStep step{.gradient_scale = 0.5F, .beta2 = 0.75F, .epsilon = 1e-3F, .step_size = 0.1F, .decay = 0.99F};
  for (const SliceCase& of : kSlices) {
    for (const bool is_matrix : {false, true}) {
      const std::int64_t n = of.pieces.n;
      auto parameters = TestMatrix::random(1, n, 1);
      const auto gradients = TestMatrix::random(1, n, 2);
      const auto row_factors = TestMatrix::random(1, rows_of(of), 3);
      const auto column_factors = TestMatrix::random(1, of.columns, 4);
      TestMatrix squares(1, n);
      for (std::int64_t i = 0; i < n; ++i) squares(0, i) = 0.25F + static_cast<float>(i % 5);
      AdafactorSlice slice{.parameters = parameters.data(), .gradients = gradients.data(), .squares = squares.data()};
      if (is_matrix)
        slice = {parameters.data(),     gradients.data(), nullptr,   row_factors.data(),
                 column_factors.data(), of.begin,         of.columns};
      std::vector<double> expected;
      std::vector<double> expected_squares;
      std::vector<double> expected_sums(static_cast<std::size_t>(2 * of.pieces.count()));
      for (std::int64_t piece = 0; piece < of.pieces.count(); ++piece) {
        for (std::int64_t i = of.pieces.begin(piece); i < of.pieces.end(piece); ++i) {
          const double g = 0.5 * static_cast<double>(gradients(0, i));
          const double p = static_cast<double>(parameters(0, i));
          const double v = 0.75 * static_cast<double>(squares(0, i)) + 0.25 * (g * g + 1e-3);
          const double u = is_matrix ? g * static_cast<double>(row_factors(0, (of.begin + i) / of.columns)) *
                                           static_cast<double>(column_factors(0, (of.begin + i) % of.columns))
                                     : g / std::sqrt(v);
          expected.push_back(0.99 * p - 0.1 * u);
          expected_squares.push_back(is_matrix ? static_cast<double>(squares(0, i)) : v);
          expected_sums[static_cast<std::size_t>(2 * piece)] += u * u;
          expected_sums[static_cast<std::size_t>(2 * piece + 1)] += p * p;
        }
      }
      std::vector<double> sums(expected_sums.size(), -1.0);
      kernels_.run(calls::AdafactorSquareSums{.slice = slice, .pieces = of.pieces, .step = step, .sums = sums.data()});
      expect_close(sums, expected_sums, 1e-6);
      expect_close(squares.values(), expected_squares, 2e-7);
      kernels_.run(calls::Adafactor{.slice = slice, .n = n, .step = step});
      expect_close(parameters.values(), expected, 1e-6);
    }
  }
}

/// A chunk's sums do not depend on where a slice begins: ranks that cut a matrix otherwise have the same ones.
TEST_P(AdafactorStepTest, APieceHasTheSameSumsInAnySlice) {
  constexpr std::int64_t kTableColumns = 30;
  constexpr std::int64_t kPiece = 64;
  constexpr std::int64_t kElements = 20 * kPiece;
  const auto gradients = TestMatrix::random(1, kElements, 2);
  const FactoredSums layout(kPiece, kTableColumns);
  std::vector<double> whole(static_cast<std::size_t>(kElements / kPiece * layout.size()));
  kernels_.run(calls::FactoredSquareSums{.gradients = gradients.data(),
                                         .pieces = {kElements, kPiece, kPiece},
                                         .begin = 0,
                                         .columns = kTableColumns,
                                         .sums = whole.data()});
  for (const std::int64_t first : {1, 7, 19}) {
    const std::int64_t begin = first * kPiece;
    std::vector<double> part(static_cast<std::size_t>((kElements - begin) / kPiece * layout.size()));
    kernels_.run(calls::FactoredSquareSums{.gradients = gradients.data() + begin,
                                           .pieces = {kElements - begin, kPiece, kPiece},
                                           .begin = begin,
                                           .columns = kTableColumns,
                                           .sums = part.data()});
    EXPECT_EQ(part, std::vector<double>(whole.begin() + first * layout.size(), whole.end()));
  }
}

}  // namespace
}  // namespace temper
