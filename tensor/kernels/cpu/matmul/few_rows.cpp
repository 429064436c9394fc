#include "tensor/kernels/cpu/matmul/few_rows.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensor/kernels/cpu/matmul/panel_matmul.h"
#include "tensor/kernels/cpu/vector/aligned_floats.h"
#include "tensor/kernels/cpu/vector/parallel.h"
#include "tensor/kernels/cpu/vector/prefetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/matmul/few_rows.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "tensor/kernels/cpu/matmul/small_matmul-inl.h"
#include "tensor/kernels/cpu/matmul/widening-inl.h"
#include "tensor/kernels/cpu/vector/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

constexpr int kMostVectors = 4;
constexpr int kLineFloats = 16;
constexpr int kFewestLanes = 8;

/// Rows of weights in a block. Their lines lie a row apart, and more of them would share too few sets of the cache.
template <int kVectors>
constexpr int weight_rows() {
  constexpr int kSums = HWY_TARGET == HWY_AVX2 ? 12 : 24;
  return std::min(8, kSums / kVectors);
}

/// out [kRows, kVectors vectors] (+)= w [kRows, k] x [k, kVectors vectors] + bias: the result of x's rows, transposed.
/// Meanwhile the next kRows rows of w come into the cache: where all rows take turns, no prefetcher sees what is next.
template <int kRows, int kVectors>
HWY_NOINLINE void forward_block(const float* w, std::int64_t w_stride, const float* x, std::int64_t k,
                                const float* bias, float* out, bool accumulate) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  FloatVector sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) {
      sums[i][j] = hn::Zero(d);
    }
  }
  const auto add_product = [&](std::int64_t p) TEMPER_VECTOR_LAMBDA {
    FloatVector right[kVectors];
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) {
      right[j] = hn::LoadU(d, x + (p * kVectors + j) * lanes);
    }
    HWY_UNROLL(8)
    for (int i = 0; i < kRows; ++i) {
      const auto left = hn::Set(d, w[i * w_stride + p]);
      HWY_UNROLL(4)
      for (int j = 0; j < kVectors; ++j) {
        sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
      }
    }
  };
  std::int64_t p = 0;
  for (; p + kLineFloats <= k; p += kLineFloats) {
    HWY_UNROLL(8)
    for (int i = 0; i < kRows; ++i) {
      hwy::Prefetch(w + (kRows + i) * w_stride + p);
    }
    // Blocks of fewer rows, at the end of a range, are rare: unrolled, they would be most of this file's code.
    if constexpr (kRows == weight_rows<kVectors>()) {
      HWY_UNROLL(16)
      for (int i = 0; i < kLineFloats; ++i) add_product(p + i);
    } else {
      for (int i = 0; i < kLineFloats; ++i) add_product(p + i);
    }
  }
  for (; p < k; ++p) {
    add_product(p);
  }
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    const auto offset = hn::Set(d, bias == nullptr ? -0.0F : bias[i]);  // which changes no sum, and 0 would -0
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) {
      float* to = out + (i * kVectors + j) * lanes;
      const auto sum = accumulate ? hn::Add(hn::LoadU(d, to), sums[i][j]) : sums[i][j];
      hn::StoreU(hn::Add(sum, offset), d, to);
    }
  }
}

template <int kRows, int kVectors>
void forward_rows_of_block(std::int64_t rows, const float* w, std::int64_t w_stride, const float* x, std::int64_t k,
                           const float* bias, float* out, bool accumulate) {
  if (rows == kRows) {
    forward_block<kRows, kVectors>(w, w_stride, x, k, bias, out, accumulate);
  } else if constexpr (kRows > 1) {
    forward_rows_of_block<kRows - 1, kVectors>(rows, w, w_stride, x, k, bias, out, accumulate);
  }
}

/// Memory of a thread for weights that are widened: the rows of a block, apart so that they do not share sets of the
/// cache, or the rows of an input's gradient that are added together.
constexpr std::int64_t kWidenedStride = kPanelDepth + kLineFloats;
constexpr std::int64_t kWeightRowsTogether = 32;
float* room_for_widened() {
  thread_local const auto room = aligned_floats(kWeightRowsTogether * kWidenedStride);
  return room.get();
}

/// The weights of a block, as f32: where they lie, or widened, and the rows that come next are fetched meanwhile.
ConstMatrix block_as_floats(ConstRows w) {
  if (w.type == DType::f32) return w.as<float>();
  constexpr std::int64_t kLineBytes = kLineFloats * static_cast<std::int64_t>(sizeof(float));
  float* const room = room_for_widened();
  const auto row_bytes = static_cast<std::int64_t>(size_of(w.type, w.columns));
  for (std::int64_t i = 0; i < w.rows; ++i) {
    const auto* const next = static_cast<const char*>(w.at(w.rows + i, 0));
    for (std::int64_t p = 0; p < row_bytes; p += kLineBytes) hwy::Prefetch(next + p);
    widen_rows(w.part(i, 1), room + i * kWidenedStride, kWidenedStride);
  }
  return {room, w.rows, w.columns, kWidenedStride};
}

/// Columns [begin, end) of c.
template <int kVectors>
void forward_columns(const float* x, ConstRows w, const float* bias, Matrix c, std::int64_t begin, std::int64_t end) {
  constexpr int kRows = weight_rows<kVectors>();
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  HWY_ALIGN float block[kRows * kVectors * hn::MaxLanes(Floats())];
  for (std::int64_t row = begin; row < end; row += kRows) {
    const std::int64_t rows = std::min<std::int64_t>(kRows, end - row);
    // As products in panels put long sums together.
    for (std::int64_t inner = 0; inner < w.columns; inner += kPanelDepth) {
      const std::int64_t depth = std::min(kPanelDepth, w.columns - inner);
      const bool last = inner + depth == w.columns;
      const ConstMatrix weights = block_as_floats(columns_of(w.part(row, rows), inner, depth));
      forward_rows_of_block<kRows, kVectors>(rows, weights.data, weights.stride, x + inner * kVectors * lanes, depth,
                                             last && bias != nullptr ? bias + row : nullptr, block, inner > 0);
    }
    const std::int64_t whole = rows / 4 * 4;
    if (whole > 0) transpose(block, kVectors * lanes, whole, c.rows, c.data + row, c.stride);
    for (std::int64_t i = whole; i < rows; ++i) {
      for (std::int64_t j = 0; j < c.rows; ++j) c.row(j)[row + i] = block[i * kVectors * lanes + j];
    }
  }
}

}  // namespace

/// Vectors that hold a column of m elements; 0 where there are too many, or where a vector is too short to be of use.
int vectors_of_column(std::int64_t m) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  const std::int64_t vectors = (m + lanes - 1) / lanes;
  return lanes < kFewestLanes || vectors > kMostVectors ? 0 : static_cast<int>(vectors);
}

/// x [k, padded columns] = the transpose of a, with zeros behind its columns.
void transpose_padded(ConstMatrix a, std::vector<float>& x) {
  const auto padded = vectors_of_column(a.rows) * static_cast<std::int64_t>(hn::Lanes(Floats()));
  x.resize(static_cast<std::size_t>(padded * a.columns));
  const std::int64_t whole = a.rows / 4 * 4;
  if (whole > 0) transpose(a.data, a.stride, whole, a.columns, x.data(), padded);
  for (std::int64_t p = 0; p < a.columns; ++p) {
    float* to = x.data() + p * padded;
    for (std::int64_t i = whole; i < a.rows; ++i) to[i] = a.row(i)[p];
    std::fill(to + a.rows, to + padded, 0.0F);
  }
}

void few_rows_forward(const float* x, ConstRows w, const float* bias, Matrix c, std::int64_t begin, std::int64_t end) {
  if constexpr (hn::MaxLanes(Floats()) < kFewestLanes) return;  // vectors_of_column() is 0
  switch (vectors_of_column(c.rows)) {
    case 1:
      return forward_columns<1>(x, w, bias, c, begin, end);
    case 2:
      return forward_columns<2>(x, w, bias, c, begin, end);
    case 3:
      return forward_columns<3>(x, w, bias, c, begin, end);
    default:
      return forward_columns<4>(x, w, bias, c, begin, end);
  }
}

/// Columns [begin, end) of c (+)= a w. Few rows of w at a time, so that they come in the order in which they lie.
void few_rows_input_gradient(ConstMatrix a, ConstRows w, Matrix c, bool accumulate, std::int64_t begin,
                             std::int64_t end) {
  // Widened weights have to stay in the cache.
  const std::int64_t together = w.type == DType::f32 ? end - begin : kPanelDepth;
  for (std::int64_t column = begin; column < end; column += together) {
    const std::int64_t columns = std::min(together, end - column);
    for (std::int64_t p = 0; p < w.rows; p += kWeightRowsTogether) {
      const std::int64_t rows = std::min(kWeightRowsTogether, w.rows - p);
      const ConstMatrix weights = block_as_floats(columns_of(w.part(p, rows), column, columns));
      small_matmul({a.data + p, a.stride, 1}, weights.data, weights.stride, c.rows, columns, rows, c.data + column,
                   c.stride, accumulate || p > 0);
    }
  }
}

/// Rows [begin, end) of c (+)= a^T b, in the order in which they lie. Rows that come next are fetched meanwhile:
/// another rank may have read them last.
void few_rows_weight_gradient(ConstMatrix a, ConstMatrix b, Matrix c, bool accumulate, std::int64_t begin,
                              std::int64_t end) {
  constexpr std::int64_t kRows = most_rows<kWidestBlock>();
  constexpr std::int64_t kColumns = 64;  // whole blocks of small_matmul()
  float block[kRows * kFewRows];
  for (std::int64_t row = begin; row < end; row += kRows) {
    const std::int64_t rows = std::min(kRows, end - row);
    for (std::int64_t p = 0; p < a.rows; ++p) {
      for (std::int64_t i = 0; i < rows; ++i) block[i * kFewRows + p] = a.row(p)[row + i];
    }
    const std::int64_t next_rows = std::min(kRows, end - row - rows);
    for (std::int64_t column = 0; column < b.columns; column += kColumns) {
      const std::int64_t columns = std::min(kColumns, b.columns - column);
      for (std::int64_t i = 0; i < next_rows; ++i) {
        const float* next = c.row(row + rows + i) + column;
        for (std::int64_t j = 0; j < columns; j += kLineFloats) prefetch_for_writing(next + j);
      }
      small_matmul({block, kFewRows, 1}, b.data + column, b.stride, rows, columns, b.rows, c.row(row) + column,
                   c.stride, accumulate);
    }
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(vectors_of_column);
HWY_EXPORT(transpose_padded);
HWY_EXPORT(few_rows_forward);
HWY_EXPORT(few_rows_input_gradient);
HWY_EXPORT(few_rows_weight_gradient);

namespace {

/// oneDNN (2.6) takes sums of so many products in one go with AVX-512.
constexpr std::int64_t kLongestUndividedSum = 512;
/// A multiple of every vector there is.
constexpr std::int64_t kVectorMultiple = 16;
/// Where a thread's part of a side may begin.
constexpr std::int64_t kGranule = 96;

}  // namespace

bool multiply_few_rows(ConstRows a, bool transpose_a, ConstRows b, bool transpose_b, ConstRows bias, Rows c,
                       bool accumulate) {
  const bool widens = is_narrow(b.type) && !transpose_a;
  if (a.type != DType::f32 || (b.type != DType::f32 && !widens) || c.type != DType::f32) return false;
  const std::int64_t few = transpose_a ? a.rows : c.rows;
  const bool whole_vectors = c.columns % kVectorMultiple == 0;
  if (few > kFewRows || HWY_DYNAMIC_DISPATCH(vectors_of_column)(few) == 0) return false;
  const ConstMatrix left = a.as<float>();
  const Matrix out = c.as<float>();
  const std::int64_t inner = transpose_a ? a.rows : a.columns;
  if (!transpose_a && transpose_b) {
    // Those of a longer sum that oneDNN multiplies, it puts together from parts of its own.
    const bool of_onednn = onednn_takes_f32() && inner > kLongestUndividedSum && a.stride == inner;
    if (accumulate || of_onednn) return false;
    thread_local std::vector<float> transposed;
    HWY_DYNAMIC_DISPATCH(transpose_padded)(left, transposed);
    const float* x = transposed.data();
    parallel_ranges(
        c.columns, inner,
        [&](std::int64_t begin, std::int64_t end) {
          HWY_DYNAMIC_DISPATCH(few_rows_forward)(x, b, static_cast<const float*>(bias.data), out, begin, end);
        },
        kGranule);
    return true;
  }
  if (bias.data != nullptr || !whole_vectors || transpose_b) return false;
  if (transpose_a) {
    parallel_ranges(
        c.rows, c.columns,
        [&](std::int64_t begin, std::int64_t end) {
          HWY_DYNAMIC_DISPATCH(few_rows_weight_gradient)(left, b.as<float>(), out, accumulate, begin, end);
        },
        kGranule);
  } else {
    parallel_ranges(
        c.columns, inner,
        [&](std::int64_t begin, std::int64_t end) {
          HWY_DYNAMIC_DISPATCH(few_rows_input_gradient)(left, b, out, accumulate, begin, end);
        },
        kGranule);
  }
  return true;
}

}  // namespace temper
#endif  // HWY_ONCE
