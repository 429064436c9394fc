// Matrix products by oneDNN, f32 and bf16, but for most of those of few rows (few_rows.h).
//
// oneDNN cuts a product among threads, the inner dimension included, as it sees fit, and its bits then depend on their
// number. So a product is cut here, where the shape says, whatever the number of threads, and oneDNN is only ever
// called for a part, in one thread.
#include <algorithm>
#include <array>
#include <cstdint>

#include "base/error.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/few_rows.h"
#include "tensor/kernels/cpu/parallel.h"

namespace temper {
namespace {

// Rows of a part: its result is still in the second-level cache when the activation reads it, and the many numbers of
// rows that a training run meets become few shapes.
constexpr std::int64_t kPartRows = 256;
// Columns of a part where a result is wider than high, as gradients of weights are.
constexpr std::int64_t kPartColumns = 384;
constexpr std::int64_t kMultiplicationsPerThread = 1 << 21;

struct Part {
  std::int64_t begin;
  std::int64_t count;
};

/// The parts of a side, the last of which may be smaller.
struct Cut {
  std::int64_t side;
  std::int64_t length;

  [[nodiscard]] std::int64_t parts() const { return (side + length - 1) / length; }
  [[nodiscard]] Part part(std::int64_t i) const { return {i * length, std::min(length, side - i * length)}; }
};

/// The part of op(x) that begins at row `i`, or at column `j`.
const void* from_row(const ConstRows& x, bool transposed, std::int64_t i) {
  return transposed ? x.at(0, i) : x.at(i, 0);
}
const void* from_column(const ConstRows& x, bool transposed, std::int64_t j) {
  return transposed ? x.at(j, 0) : x.at(0, j);
}

/// Runs multiply(part) for all parts, on as many threads as `multiplications` are worth.
template <typename Multiply>
void run_parts(std::int64_t parts, std::int64_t multiplications, const Multiply& multiply) {
  const int threads =
      static_cast<int>(std::min<std::int64_t>(parts, worthwhile_threads(multiplications, kMultiplicationsPerThread)));
  parallel_team(threads, [&](std::int64_t member, std::int64_t members) {
    for (std::int64_t part = parts * member / members; part < parts * (member + 1) / members; ++part) multiply(part);
  });
}

void require_types(ConstRows a, ConstRows b, ConstRows c) {
  const auto known = [](DType type) { return type == DType::f32 || type == DType::bf16; };
  if (!known(a.type) || a.type != b.type || (c.type != a.type && c.type != DType::f32))
    throw Error("matmul: the CPU multiplies matrices of one type into that type or f32, but was given {}, {} and {}",
                name_of(a.type), name_of(b.type), name_of(c.type));
}

}  // namespace

void CpuKernels::matmul(ConstRows a, bool transpose_a, ConstRows b, bool transpose_b, Rows c, bool accumulate) {
  require_types(a, b, c);
  const std::int64_t m = c.rows;
  const std::int64_t n = c.columns;
  const std::int64_t k = transpose_a ? a.rows : a.columns;
  if (m == 0 || n == 0) return;
  if (k == 0) {
    const std::int64_t row_bytes = n * static_cast<std::int64_t>(size_of(c.type));
    for (std::int64_t i = 0; i < m && !accumulate; ++i) clear(c.at(i, 0), row_bytes);
    return;
  }
  if (multiply_few_rows(a, transpose_a, b, transpose_b, {}, c, accumulate)) return;
  const bool by_rows = m >= n;
  const Cut cut = by_rows ? Cut{m, kPartRows} : Cut{n, kPartColumns};
  const auto product_of = [&](std::int64_t count) {
    return products_.find({by_rows ? count : m, by_rows ? n : count, k, a.stride, b.stride, c.stride, a.type, c.type,
                           DType::f32, transpose_a, transpose_b, accumulate, false});
  };
  const auto whole = product_of(cut.part(0).count);
  const auto rest = product_of(cut.part(cut.parts() - 1).count);
  run_parts(cut.parts(), m * n * k, [&](std::int64_t i) {
    const Part part = cut.part(i);
    const Product& product = i + 1 == cut.parts() ? *rest : *whole;
    if (by_rows) {
      product.run(from_row(a, transpose_a, part.begin), b.data, nullptr, c.at(part.begin, 0));
    } else {
      product.run(a.data, from_column(b, transpose_b, part.begin), nullptr, c.at(0, part.begin));
    }
  });
}

void CpuKernels::linear_forward(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, Rows z, Rows y) {
  (void)common_type("linear_forward", x, weight, bias, z, y);
  if (z.rows == 0 || z.columns == 0 || x.columns == 0) {
    Kernels::linear_forward(x, weight, bias, activation, z, y);
    return;
  }
  if (multiply_few_rows(x, false, weight, true, bias, z, false)) {
    if (activation != Activation::none || y.data != z.data) bias_activation_forward(z, {}, activation, y);
    return;
  }
  const Cut cut{z.rows, kPartRows};
  const bool has_bias = bias.data != nullptr;
  const auto product_of = [&](std::int64_t count) {
    return products_.find({count, z.columns, x.columns, x.stride, weight.stride, z.stride, x.type, z.type, bias.type,
                           false, true, false, has_bias});
  };
  const auto whole_part = product_of(cut.part(0).count);
  const auto rest = product_of(cut.part(cut.parts() - 1).count);
  run_parts(cut.parts(), z.rows * z.columns * x.columns, [&](std::int64_t i) {
    const Part part = cut.part(i);
    const Product& product = i + 1 == cut.parts() ? *rest : *whole_part;
    product.run(x.at(part.begin, 0), weight.data, bias.data, z.at(part.begin, 0));
    if (activation != Activation::none || y.data != z.data)
      bias_activation_forward(z.part(part.begin, part.count), {}, activation, y.part(part.begin, part.count));
  });
}

}  // namespace temper
