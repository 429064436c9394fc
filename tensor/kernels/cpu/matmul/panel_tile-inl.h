// A tile of a product in panels (panel_matmul.h): some rows and columns of the result, summed up in registers.
//
// Whatever the instruction set, an element of a tile is one sum in the order of the inner dimension, so its bits depend
// neither on the tile nor on what else is in it.

#if defined(TEMPER_PANEL_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_PANEL_TILE_INL_H_
#undef TEMPER_PANEL_TILE_INL_H_
#else
#define TEMPER_PANEL_TILE_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

// Sums take 24 of AVX-512's 32 registers, 12 of AVX2's 16; a multiplication has a latency of 4 or 5 and two may begin
// in each cycle, so 10 sums at least must be under way.
#if HWY_TARGET == HWY_AVX3
constexpr int kVectors = 3;
constexpr int kTileRows = 8;
#elif HWY_TARGET == HWY_AVX2
constexpr int kVectors = 2;
constexpr int kTileRows = 6;
#else
constexpr int kVectors = 2;
constexpr int kTileRows = 4;
#endif

#if HWY_TARGET == HWY_SCALAR
/// Highway's plain code has vectors of one element; those of the compiler become instructions that every processor has.
constexpr int kLanes = 4;
using PanelVector = float __attribute__((vector_size(kLanes * sizeof(float))));
HWY_INLINE PanelVector load_panel(const float* from) {
  PanelVector v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
HWY_INLINE void store_panel(PanelVector v, float* to) { std::memcpy(to, &v, sizeof(v)); }
HWY_INLINE PanelVector same_in_all(float x) { return PanelVector{x, x, x, x}; }
HWY_INLINE PanelVector multiply_add(PanelVector a, PanelVector b, PanelVector c) { return a * b + c; }
HWY_INLINE PanelVector sum_of(PanelVector a, PanelVector b) { return a + b; }
#else
constexpr int kLanes = hn::MaxLanes(Floats());
using PanelVector = FloatVector;
HWY_INLINE PanelVector load_panel(const float* from) { return hn::LoadU(Floats(), from); }
HWY_INLINE void store_panel(PanelVector v, float* to) { hn::StoreU(v, Floats(), to); }
HWY_INLINE PanelVector same_in_all(float x) { return hn::Set(Floats(), x); }
HWY_INLINE PanelVector multiply_add(PanelVector a, PanelVector b, PanelVector c) { return hn::MulAdd(a, b, c); }
HWY_INLINE PanelVector sum_of(PanelVector a, PanelVector b) { return hn::Add(a, b); }
#endif

constexpr std::int64_t kTileColumns = kVectors * kLanes;
/// Floats of a line of the cache.
constexpr std::int64_t kLine = 16;

// How near __builtin_prefetch() brings what comes next: 3 means the first level, 2 the second. AMD's processors of the
// fourth generation gain 3 % by the first; with AVX-512, where panels are three times as large, it is Intel's that run
// this code, and there the second was measured.
constexpr int kFetchLevel = HWY_TARGET == HWY_AVX3 ? 2 : 3;

constexpr std::int64_t kLineBytes = kLine * static_cast<std::int64_t>(sizeof(float));

/// Lines to fetch: `rows` times `lines` that lie next to each other, `stride` bytes from row to row.
struct Ahead {
  const char* next = nullptr;
  std::int64_t stride = 0;
  std::int64_t rows = 0;
  std::int64_t lines = 0;
};

struct Tile {
  const float* a;  ///< element (i, p) lies at a[i * a_row + p], or in a panel at a[p * kTileRows + i]
  std::int64_t a_row;
  const float* b;  ///< a panel [depth, kTileColumns]
  std::int64_t depth;
  const float* bias;  ///< of the tile's columns, or null
  float* c;
  std::int64_t c_stride;
  bool accumulate;
  float* next_c;  ///< the tile that will be written next, with the same stride
  Ahead ahead;
};

template <bool kPanel, int kRows>
HWY_NOINLINE void multiply_tile(const Tile& t) {
  PanelVector sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(3)
    for (int j = 0; j < kVectors; ++j) sums[i][j] = same_in_all(0.0F);
  }
  const float* rows[kRows];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) rows[i] = t.a + i * t.a_row;
  const float* b = t.b;
  std::int64_t p = 0;
  const auto multiply_until = [&](std::int64_t end) TEMPER_VECTOR_LAMBDA {
    for (; p < end; ++p) {
      PanelVector right[kVectors];
      HWY_UNROLL(3)
      for (int j = 0; j < kVectors; ++j) right[j] = load_panel(b + (p * kVectors + j) * kLanes);
      HWY_UNROLL(8)
      for (int i = 0; i < kRows; ++i) {
        const auto left = same_in_all(kPanel ? t.a[p * kTileRows + i] : rows[i][p]);
        HWY_UNROLL(3)
        for (int j = 0; j < kVectors; ++j) sums[i][j] = multiply_add(left, right[j], sums[i][j]);
      }
    }
  };
  // Fetched a little at a time: the processor keeps few requests for lines in flight.
  const std::int64_t turns = std::max<std::int64_t>(t.ahead.rows, kRows);
  const std::int64_t depth_of_turn = t.depth / turns;
  const char* ahead = t.ahead.next;
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    if (turn < t.ahead.rows) {
      for (std::int64_t line = 0; line < t.ahead.lines; ++line)
        __builtin_prefetch(ahead + line * kLineBytes, 0, kFetchLevel);
      ahead += t.ahead.stride;
    }
    if (turn < kRows) {
      const float* next = t.next_c + turn * t.c_stride;
      for (std::int64_t j = 0; j < kTileColumns; j += kLine) __builtin_prefetch(next + j, 1, 3);
    }
    multiply_until(p + depth_of_turn);
  }
  multiply_until(t.depth);
  const bool accumulate = t.accumulate;
  const float* bias = t.bias;
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(3)
    for (int j = 0; j < kVectors; ++j) {
      float* to = t.c + i * t.c_stride + j * kLanes;
      auto sum = sums[i][j];
      if (accumulate) sum = sum_of(load_panel(to), sum);
      if (bias != nullptr) sum = sum_of(sum, load_panel(bias + j * kLanes));
      store_panel(sum, to);
    }
  }
}

template <bool kPanel, int kRows = kTileRows>
void multiply_rows_of_tile(std::int64_t rows, const Tile& tile) {
  if (rows == kRows) {
    multiply_tile<kPanel, kRows>(tile);
  } else if constexpr (kRows > 1) {
    multiply_rows_of_tile<kPanel, kRows - 1>(rows, tile);
  }
}

/// A tile at the right edge is computed beside the result, whose columns end earlier.
template <bool kPanel>
void multiply(std::int64_t rows, std::int64_t columns, const Tile& tile) {
  if (columns == kTileColumns) {
    multiply_rows_of_tile<kPanel>(rows, tile);
    return;
  }
  HWY_ALIGN float result[kTileRows * kTileColumns] = {};
  HWY_ALIGN float bias[kTileColumns] = {};
  Tile edge = tile;
  edge.c = result;
  edge.next_c = result;
  edge.c_stride = kTileColumns;
  if (tile.bias != nullptr) {
    std::copy_n(tile.bias, columns, bias);
    edge.bias = bias;
  }
  for (std::int64_t i = 0; i < rows && tile.accumulate; ++i)
    std::copy_n(tile.c + i * tile.c_stride, columns, result + i * kTileColumns);
  multiply_rows_of_tile<kPanel>(rows, edge);
  for (std::int64_t i = 0; i < rows; ++i) std::copy_n(result + i * kTileColumns, columns, tile.c + i * tile.c_stride);
}

}  // namespace
}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
