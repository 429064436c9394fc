// The update of Adafactor, and the sums over squares that it goes by.
#pragma once

#include <cstdint>

#include "tensor/bfloat16.h"
#include "tensor/calls/kernel_work.h"

namespace temper {

/// A slice cut into pieces: n elements, of which the first piece has `first`, the others `piece`, the last what is
/// left.
struct SlicePieces {
  std::int64_t n = 0;
  std::int64_t first = 0;
  std::int64_t piece = 1;

  [[nodiscard]] constexpr std::int64_t count() const { return n == 0 ? 0 : 1 + (n - first + piece - 1) / piece; }
  [[nodiscard]] constexpr std::int64_t begin(std::int64_t i) const { return i == 0 ? 0 : first + (i - 1) * piece; }
  [[nodiscard]] constexpr std::int64_t end(std::int64_t i) const {
    const std::int64_t until = first + i * piece;
    return until < n ? until : n;
  }
};

/// Where the sums of a piece of a matrix lie: those of the rows that it meets, in order, then those of columns.
struct FactoredSums {
  /// Pieces of at most `piece` elements of a matrix of so many columns.
  constexpr FactoredSums(std::int64_t piece, std::int64_t columns_of_matrix)
      : rows(piece / columns_of_matrix + 2),
        columns(piece < columns_of_matrix ? piece : columns_of_matrix),
        matrix_columns(columns_of_matrix) {}
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t matrix_columns;

  [[nodiscard]] constexpr std::int64_t size() const { return rows + columns; }
  /// Of a piece that begins at element `begin` of the matrix, which column sum i is of: column i, but where a piece is
  /// shorter than a row, the column of its element i.
  [[nodiscard]] constexpr std::int64_t column_of(std::int64_t i, std::int64_t begin) const {
    return columns == matrix_columns ? i : (begin + i) % matrix_columns;
  }
};

/// A slice that Adafactor updates. Of a vector it has the means of squared gradients themselves; of a matrix, elements
/// from `begin` on, the update is the gradient times a factor of the row and a factor of the column.
struct AdafactorSlice {
  float* parameters = nullptr;
  const float* gradients = nullptr;
  float* squares = nullptr;               ///< null for a matrix
  const float* row_factors = nullptr;     ///< [rows], of the whole matrix
  const float* column_factors = nullptr;  ///< [columns]
  std::int64_t begin = 0;
  std::int64_t columns = 0;
};

struct AdafactorStep {
  float gradient_scale = 1;
  float beta2 = 0;      ///< decay of the squares, in this step
  float epsilon = 0;    ///< added to squared gradients
  float step_size = 0;  ///< by which the update is multiplied
  float decay = 1;      ///< by which the parameters are multiplied before
};

namespace calls {

/// Sums of squares over each row and each column of what lies of a matrix in each piece of a slice, which begins at
/// element `begin` of it: sums [pieces.count()][FactoredSums(pieces.piece, columns).size()], those of rows or columns
/// that a piece does not meet being zero. In an order that depends on the piece's place in the matrix alone.
struct FactoredSquareSums {
  static constexpr KernelId kKernel{"factored_square_sums", KernelClass::pass};
  const float* gradients;
  SlicePieces pieces;
  std::int64_t begin;
  std::int64_t columns;
  double* sums;
  [[nodiscard]] KernelWork work() const { return work_of(pieces.n); }
  [[nodiscard]] static KernelWork work_of(std::int64_t n);
};

/// sums [pieces.count()][2]: of squares of the update, and of squares of the parameters. Takes the gradient into
/// `squares` where there are any. Reads gradient_scale, beta2 and epsilon of the step.
struct AdafactorSquareSums {
  static constexpr KernelId kKernel{"adafactor_square_sums", KernelClass::pass};
  AdafactorSlice slice;
  SlicePieces pieces;
  AdafactorStep step;
  double* sums;
  [[nodiscard]] KernelWork work() const { return work_of(pieces.n, slice.squares != nullptr); }
  /// With the squares of each element, or with factors of rows and columns.
  [[nodiscard]] static KernelWork work_of(std::int64_t n, bool has_squares);
};

/// The update itself, of n elements, with the squares as AdafactorSquareSums left them.
struct Adafactor {
  static constexpr KernelId kKernel{"adafactor_step", KernelClass::pass};
  AdafactorSlice slice;
  BFloat16* compute_copy = nullptr;
  std::int64_t n;
  AdafactorStep step;
  [[nodiscard]] KernelWork work() const { return work_of(n, slice.squares != nullptr, compute_copy != nullptr); }
  [[nodiscard]] static KernelWork work_of(std::int64_t n, bool has_squares, bool rounds_to_bf16);
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_ADAFACTOR_CALLS(EACH) EACH(FactoredSquareSums) EACH(AdafactorSquareSums) EACH(Adafactor)
