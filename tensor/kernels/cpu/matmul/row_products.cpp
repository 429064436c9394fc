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

/// Rows of weights that are read side by side. For few rows on the left memory is the limit, and it is read fastest as
/// one stream, from beginning to end, as long as the one chain of sums keeps up with it (docs/performance.md); for more
/// rows, as many sums as registers hold.
template <int kRows, typename T>
constexpr int weights_beside() {
  constexpr bool is_wide = HWY_TARGET == HWY_AVX3;
  if constexpr (kRows <= 2 && (is_wide || sizeof(T) == sizeof(float))) return 1;
  if constexpr (is_wide) return kRows == 4 ? 6 : 8;
  return 8 / kRows;
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

/// kOutputs outputs from `first` on of all rows, so many at a time, and then fewer. w: the weights of these outputs.
template <int kRows, int kOutputs, typename T, typename Bias, typename Out>
void multiply_rows(const float* x, std::int64_t rows, std::int64_t i, const MatrixOf<const T>& w, std::int64_t first,
                   const Result<Bias, Out>& result) {
  float sums[kRows * kOutputs];
  for (; i + kRows <= rows; i += kRows) {
    row_sums<kRows, kOutputs>(x + i * w.columns, w.columns, w.data, w.stride, w.columns, sums);
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kOutputs; ++j) {
        result.put(i + r, first + j, sums[r * kOutputs + j]);
      }
    }
  }
  if constexpr (kRows > 1) {
    if (i < rows) multiply_rows<kRows / 2, kOutputs>(x, rows, i, w, first, result);
  }
}

/// Weights as they lie.
template <typename T>
struct WeightsInPlace {
  using Element = T;
  MatrixOf<const T> all;

  [[nodiscard]] MatrixOf<const T> rows(std::int64_t first, std::int64_t count) const {
    return {all.row(first), count, all.columns, all.stride};
  }
};

/// Weights that are quantised, as the f32 that they stand for, in memory of the calling thread.
struct DecodedWeights {
  using Element = float;
  ConstRows all;

  [[nodiscard]] ConstMatrix rows(std::int64_t first, std::int64_t count) const {
    // Apart, lest they share sets of the cache.
    constexpr std::int64_t kLineFloats = 16;
    const std::int64_t stride = all.columns + kLineFloats;
    thread_local std::vector<float> room;
    room.resize(static_cast<std::size_t>(count * stride));
    decode_rows(all.part(first, count), room.data(), stride);
    return {room.data(), count, all.columns, stride};
  }
};

/// Outputs [begin, end). What is read of the weights at a time stays in the cache for further rows.
template <int kRows, typename Weights, typename Bias, typename Out>
void multiply_outputs(const float* x, std::int64_t rows, const Weights& w, const Result<Bias, Out>& result,
                      std::int64_t begin, std::int64_t end) {
  constexpr int kOutputs = weights_beside<kRows, typename Weights::Element>();
  std::int64_t first = begin;
  for (; first + kOutputs <= end; first += kOutputs) {
    multiply_rows<kRows, kOutputs>(x, rows, 0, w.rows(first, kOutputs), first, result);
  }
  for (; first < end; ++first) {
    multiply_rows<kRows, 1>(x, rows, 0, w.rows(first, 1), first, result);
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
