#include "tensor/kernels/cpu/matmul/row_products.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/matmul/row_products.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/matmul/row_sums-inl.h"
#include "tensor/kernels/cpu/matmul/widening-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

/// Rows of the left operand that share what is loaded of the weights.
constexpr int kMostRows = 4;

/// Rows of weights that are multiplied side by side. For few rows on the left memory is the limit, and what is read
/// from beginning to end comes fastest (docs/performance.md): with AVX-512 one row after the other, as long as the one
/// chain of sums keeps up; with shorter vectors it does not, so a range is cut into parts, and a row of each is
/// multiplied. For more rows AVX-512 has registers for as many sums as hide what memory takes for rows that lie beside
/// each other.
struct Beside {
  int count;
  bool in_parts;
};
template <int kRows>
constexpr Beside weights_beside() {
  if constexpr (HWY_TARGET != HWY_AVX3) return {.count = kRows == 4 ? 2 : 4, .in_parts = true};
  if constexpr (kRows <= 2) return {.count = 1, .in_parts = false};
  return {.count = 6, .in_parts = false};
}

/// Elements (i, j) of a result, j counting from `first`.
template <typename Bias, typename Out>
struct Result {
  MatrixOf<Out> c;
  const Bias* bias;

  void put(std::int64_t i, std::int64_t j, float sum) const {
    const float whole = bias == nullptr ? sum : sum + as_float(bias[j]);
    assign(whole, c.row(i)[j]);
  }

 private:
  static float as_float(float v) { return v; }
  static float as_float(BFloat16 v) { return to_float(v); }
  static void assign(float v, float& to) { to = v; }
  static void assign(float v, BFloat16& to) { to = to_bfloat16(v); }
};

/// kOutputs outputs from `first` on, `apart` from each other, of all rows, so many at a time, and then fewer. w: the
/// weights of these outputs.
template <int kRows, int kOutputs, typename T, typename Bias, typename Out>
void multiply_rows(const float* x, std::int64_t rows, std::int64_t i, const MatrixOf<const T>& w, std::int64_t first,
                   std::int64_t apart, const Result<Bias, Out>& result) {
  float sums[kRows * kOutputs];
  for (; i + kRows <= rows; i += kRows) {
    row_sums<kRows, kOutputs, !weights_beside<kRows>().in_parts>(x + i * w.columns, w.columns, w.data, w.stride,
                                                                 w.columns, sums);
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kOutputs; ++j) {
        result.put(i + r, first + j * apart, sums[r * kOutputs + j]);
      }
    }
  }
  if constexpr (kRows > 1) {
    if (i < rows) multiply_rows<kRows / 2, kOutputs>(x, rows, i, w, first, apart, result);
  }
}

/// Weights as they lie.
template <typename T>
struct WeightsInPlace {
  MatrixOf<const T> all;

  [[nodiscard]] MatrixOf<const T> rows(std::int64_t first, std::int64_t count, std::int64_t apart) const {
    return {all.row(first), count, all.columns, apart * all.stride};
  }
};

/// Weights that are quantised, as the f32 that they stand for, in memory of the calling thread.
struct DecodedWeights {
  ConstRows all;

  [[nodiscard]] ConstMatrix rows(std::int64_t first, std::int64_t count, std::int64_t apart) const {
    // Apart, lest they share sets of the cache.
    constexpr std::int64_t kLineFloats = 16;
    const std::int64_t stride = all.columns + kLineFloats;
    thread_local std::vector<float> room;
    room.resize(static_cast<std::size_t>(count * stride));
    for (std::int64_t j = 0; j < count; ++j)
      decode_rows(all.part(first + j * apart, 1), room.data() + j * stride, stride);
    return {room.data(), count, all.columns, stride};
  }
};

/// Outputs [begin, end). What is read of the weights at a time stays in the cache for further rows.
template <int kRows, typename Weights, typename Bias, typename Out>
void multiply_outputs(const float* x, std::int64_t rows, const Weights& w, const Result<Bias, Out>& result,
                      std::int64_t begin, std::int64_t end) {
  constexpr Beside beside = weights_beside<kRows>();
  const std::int64_t blocks = (end - begin) / beside.count;
  const std::int64_t apart = beside.in_parts ? blocks : 1;
  const std::int64_t step = beside.in_parts ? 1 : beside.count;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = begin + block * step;
    multiply_rows<kRows, beside.count>(x, rows, 0, w.rows(first, beside.count, apart), first, apart, result);
  }
  for (std::int64_t first = begin + blocks * beside.count; first < end; ++first) {
    multiply_rows<kRows, 1>(x, rows, 0, w.rows(first, 1, 1), first, 1, result);
  }
}

template <typename Bias, typename Out, typename Weights>
void multiply_weights(const float* x, const Weights& weights, ConstRows bias, Rows c, std::int64_t begin,
                      std::int64_t end) {
  const Result<Bias, Out> result{c.as<Out>(), static_cast<const Bias*>(bias.data)};
  if (c.rows >= kMostRows) return multiply_outputs<4>(x, c.rows, weights, result, begin, end);
  if (c.rows > 1) return multiply_outputs<2>(x, c.rows, weights, result, begin, end);
  multiply_outputs<1>(x, c.rows, weights, result, begin, end);
}

template <typename T, typename Bias, typename Out>
void multiply_typed(const float* x, ConstRows w, ConstRows bias, Rows c, std::int64_t begin, std::int64_t end) {
  multiply_weights<Bias, Out>(x, WeightsInPlace<T>{w.as<T>()}, bias, c, begin, end);
}

}  // namespace

void multiply_row_by_row_part(const float* x, ConstRows w, ConstRows bias, Rows c, std::int64_t begin,
                              std::int64_t end) {
  if (is_quantized(w.type)) return multiply_weights<float, float>(x, DecodedWeights{w}, bias, c, begin, end);
  if (w.type == DType::f32) return multiply_typed<float, float, float>(x, w, bias, c, begin, end);
  if (w.type == DType::f16) return multiply_typed<Float16, float, float>(x, w, bias, c, begin, end);
  if (c.type == DType::bf16) return multiply_typed<BFloat16, BFloat16, BFloat16>(x, w, bias, c, begin, end);
  if (bias.type == DType::bf16) return multiply_typed<BFloat16, BFloat16, float>(x, w, bias, c, begin, end);
  multiply_typed<BFloat16, float, float>(x, w, bias, c, begin, end);
}

/// Rows in f32, one after the other.
void widen_left(ConstRows a, std::vector<float>& x) {
  x.resize(static_cast<std::size_t>(a.rows * a.columns));
  widen_rows(a, x.data(), a.columns);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(multiply_row_by_row_part);
HWY_EXPORT(widen_left);

void multiply_row_by_row(ConstRows a, ConstRows b, ConstRows bias, Rows c) {
  thread_local std::vector<float> room;
  HWY_DYNAMIC_DISPATCH(widen_left)(a, room);
  const float* x = room.data();
  constexpr std::int64_t kGranule = 24;  // whole blocks of any size but the last
  parallel_ranges(
      c.columns, b.columns,
      [&](std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(multiply_row_by_row_part)(x, b, bias, c, begin, end);
      },
      kGranule);
}

}  // namespace temper
#endif  // HWY_ONCE
