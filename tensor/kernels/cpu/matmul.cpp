// Matrix products by oneDNN's sgemm, whose entry takes any shape at no set-up cost: the number of tokens differs from
// step to step, so a primitive a shape would be built again and again.
//
// oneDNN cuts a product among threads, k included, as it sees fit, and its bits then depend on their number. So the
// larger side of the result is cut here, where the shape says, whatever the number of threads, and oneDNN is only
// ever called for a part, in one thread.
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "base/error.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/parallel.h"
#include "tensor/kernels/cpu/transpose.h"

namespace temper {
namespace {

// Below this a part no longer reaches the speed of the whole (measured: 240 GFLOP/s at 192 of 384 and more, 220 at 96).
constexpr std::int64_t kPart = 192;
constexpr std::int64_t kMostParts = 16;
constexpr std::int64_t kGranule = 16;
// x w^T is the one order that parts slow down (by 10 to 20 %). From so many rows on it pays to turn w over first.
constexpr std::int64_t kRowsWorthTurning = 768;
constexpr std::int64_t kMultiplicationsPerThread = 1 << 21;

struct Operand {
  const float* data;
  std::int64_t stride;
  bool transposed;

  [[nodiscard]] char letter() const { return transposed ? 'T' : 'N'; }
  /// From row `i` of op(operand) on.
  [[nodiscard]] const float* from_row(std::int64_t i) const { return data + i * (transposed ? 1 : stride); }
  [[nodiscard]] const float* from_column(std::int64_t j) const { return data + j * (transposed ? stride : 1); }
};

/// Keeps oneDNN, called outside of a parallel region, from waking threads of its own.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ > 1) {
      omp_set_num_threads(1);
    }
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() {
    if (before_ > 1) {
      omp_set_num_threads(before_);
    }
  }

 private:
  int before_;
};

}  // namespace

void CpuKernels::matmul(ConstRows a_rows, bool transpose_a, ConstRows b_rows, bool transpose_b, Rows c_rows,
                        bool accumulate) {
  const ConstMatrix a = f32(a_rows);
  const ConstMatrix b = f32(b_rows);
  const Matrix c = f32(c_rows);
  const std::int64_t m = c.rows;
  const std::int64_t n = c.columns;
  const std::int64_t k = transpose_a ? a.rows : a.columns;
  if (m == 0 || n == 0) {
    return;
  }
  if (k == 0) {
    for (std::int64_t i = 0; i < m && !accumulate; ++i) {
      std::fill_n(c.row(i), n, 0.0F);
    }
    return;
  }
  const Operand left{a.data, a.stride, transpose_a};
  Operand right{b.data, b.stride, transpose_b};
  std::unique_ptr<float[]> turned;  // NOLINT(modernize-avoid-c-arrays): a vector would clear it first
  if (!transpose_a && transpose_b && m >= kRowsWorthTurning) {
    // One granule more than needed, lest the rows of a power of two fall into the same few sets of the cache.
    const std::int64_t stride = (n / kGranule + 2) * kGranule;
    turned = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(k * stride));
    transpose_matrix(b, turned.get(), stride);
    right = {turned.get(), stride, false};
  }
  const bool by_rows = m >= n;
  const std::int64_t side = std::max(m, n);
  const std::int64_t parts = std::clamp<std::int64_t>(side / kPart, 1, kMostParts);
  const auto part_begin = [&](std::int64_t part) {
    return part == parts ? side : side * part / parts / kGranule * kGranule;
  };
  const float beta = accumulate ? 1.0F : 0.0F;
  const auto multiply = [&](std::int64_t part) -> int {
    const std::int64_t begin = part_begin(part);
    const std::int64_t count = part_begin(part + 1) - begin;
    return by_rows ? dnnl_sgemm(left.letter(), right.letter(), count, n, k, 1.0F, left.from_row(begin), left.stride,
                                right.data, right.stride, beta, c.row(begin), c.stride)
                   : dnnl_sgemm(left.letter(), right.letter(), m, count, k, 1.0F, left.data, left.stride,
                                right.from_column(begin), right.stride, beta, c.data + begin, c.stride);
  };

  int status = dnnl_success;
  const int threads =
      static_cast<int>(std::min<std::int64_t>(parts, worthwhile_threads(m * n * k, kMultiplicationsPerThread)));
  if (threads == 1) {
    const OneThread one_thread;
    for (std::int64_t part = 0; part < parts; ++part) {
      status = std::max(status, multiply(part));
    }
  } else {
#pragma omp parallel for num_threads(threads) schedule(static) reduction(max : status)
    for (std::int64_t part = 0; part < parts; ++part) {
      status = std::max(status, multiply(part));
    }
  }
  if (status != dnnl_success) {
    throw Error("oneDNN refused the matrix product [{}, {}] = [{}, {}] [{}, {}] with status {}. Please report this.", m,
                n, m, k, k, n, status);
  }
}

}  // namespace temper
