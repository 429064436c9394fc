#include "tensor/kernels/cpu/panel_matmul.h"

#include "tensor/kernels/cpu/vector_targets.h"
//
#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/panel_matmul.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/aligned_allocator.h"
#include "hwy/highway.h"
#include "tensor/kernels/cpu/transpose-inl.h"
#include "tensor/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3
namespace {

constexpr int kLanes = 16;
constexpr int kVectors = 3;
constexpr int kTileRows = 8;
constexpr std::int64_t kTileColumns = kVectors * kLanes;
constexpr std::int64_t kLine = 16;

// Columns of the right operand that are packed together for a gradient of weights: they stay in the second-level cache.
constexpr std::int64_t kBlockColumns = 384;

/// Lines to fetch: `rows` times `lines` that lie next to each other, `stride` floats from row to row.
struct Ahead {
  const float* next = nullptr;
  std::int64_t stride = 0;
  std::int64_t rows = 0;
  int lines = 0;
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
  const hn::FixedTag<float, kLanes> d;
  hn::Vec<decltype(d)> sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(3)
    for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::Zero(d);
  }
  const float* rows[kRows];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) rows[i] = t.a + i * t.a_row;
  const float* b = t.b;
  std::int64_t p = 0;
  const auto multiply_until = [&](std::int64_t end) TEMPER_VECTOR_LAMBDA {
    for (; p < end; ++p) {
      hn::Vec<decltype(d)> right[kVectors];
      HWY_UNROLL(3)
      for (int j = 0; j < kVectors; ++j) right[j] = hn::Load(d, b + (p * kVectors + j) * kLanes);
      HWY_UNROLL(8)
      for (int i = 0; i < kRows; ++i) {
        const auto left = hn::Set(d, kPanel ? t.a[p * kTileRows + i] : rows[i][p]);
        HWY_UNROLL(3)
        for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
      }
    }
  };
  // Fetched a little at a time: the processor keeps few requests for lines in flight.
  const std::int64_t turns = std::max<std::int64_t>(t.ahead.rows, kRows);
  const std::int64_t depth_of_turn = t.depth / turns;
  const float* ahead = t.ahead.next;
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    if (turn < t.ahead.rows) {
      for (int line = 0; line < t.ahead.lines; ++line) __builtin_prefetch(ahead + line * kLine, 0, 2);
      ahead += t.ahead.stride;
    }
    if (turn < kRows) {
      const float* next = t.next_c + turn * t.c_stride;
      for (int j = 0; j < kVectors; ++j) __builtin_prefetch(next + j * kLanes, 1, 3);
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
      if (accumulate) sum = hn::Add(hn::LoadU(d, to), sum);
      if (bias != nullptr) sum = hn::Add(sum, hn::LoadU(d, bias + j * kLanes));
      hn::StoreU(sum, d, to);
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

/// panel [rows, kWidth] = rows [rows, columns], filled up with zeros.
template <std::int64_t kWidth>
void copy_panel(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns, float* panel) {
  constexpr int kCopied = kWidth < kLanes ? static_cast<int>(kWidth) : kLanes;
  const hn::FixedTag<float, kCopied> d;
  for (std::int64_t p = 0; p < rows; ++p, from += stride, panel += kWidth) {
    if (columns == kWidth) {
      HWY_UNROLL(3)
      for (std::int64_t j = 0; j < kWidth; j += kCopied) hn::Store(hn::LoadU(d, from + j), d, panel + j);
    } else {
      std::copy_n(from, columns, panel);
      std::fill_n(panel + columns, kWidth - columns, 0.0F);
    }
  }
}

/// panel [depth, kTileColumns] = the transpose of rows [columns, depth], filled up with zeros.
void transpose_panel(const float* from, std::int64_t stride, std::int64_t columns, std::int64_t depth, float* panel) {
  for (std::int64_t first = 0; first < kTileColumns; first += kLanes) {
    const std::int64_t rows = std::min<std::int64_t>(kLanes, columns - first);
    const float* x = from + first * stride;
    std::int64_t p = 0;
    if (rows == kLanes) {
      for (; p + 4 <= depth; p += 4) transpose_4_of_16(x + p, stride, panel + p * kTileColumns + first, kTileColumns);
    }
    for (; p < depth; ++p) {
      for (std::int64_t i = 0; i < kLanes; ++i)
        panel[p * kTileColumns + first + i] = i < rows ? x[i * stride + p] : 0.0F;
    }
  }
}

enum class Room { right_panel, right_block, left_panel };

/// Memory of a thread for one purpose.
template <Room kPurpose, std::int64_t kFloats>
float* thread_room() {
  thread_local const auto room = hwy::AllocateAligned<float>(kFloats);
  return room.get();
}

/// Where the i-th of n shares of `total` begins.
std::int64_t share(std::int64_t total, std::int64_t i, std::int64_t n) { return total * i / n; }

}  // namespace

/// Rows of c (+)= a op(b) + bias.
void multiply_rows_in_panels(ConstMatrix a, ConstMatrix b, bool transpose_b, const float* bias, Matrix c,
                             bool accumulate) {
  float* panel = thread_room<Room::right_panel, kPanelDepth * kTileColumns>();
  const std::int64_t blocks = (c.rows + kTileRows - 1) / kTileRows;
  for (std::int64_t inner = 0; inner < a.columns; inner += kPanelDepth) {
    const std::int64_t depth = std::min(kPanelDepth, a.columns - inner);
    for (std::int64_t column = 0; column < c.columns; column += kTileColumns) {
      const std::int64_t columns = std::min(kTileColumns, c.columns - column);
      if (transpose_b) {
        transpose_panel(b.row(column) + inner, b.stride, columns, depth, panel);
      } else {
        copy_panel<kTileColumns>(b.row(inner) + column, b.stride, depth, columns, panel);
      }
      // The next panel of the same depth; the first of the next depth comes unannounced.
      const std::int64_t next = column + kTileColumns;
      const std::int64_t next_columns = std::min(kTileColumns, c.columns - next);
      for (std::int64_t block = 0; block < blocks; ++block) {
        const std::int64_t row = block * kTileRows;
        const std::int64_t rows = std::min<std::int64_t>(kTileRows, c.rows - row);
        Ahead ahead;
        if (next_columns == kTileColumns) {
          if (transpose_b) {
            const std::int64_t lines_of_row = depth / kLine;
            const std::int64_t lines = kTileColumns * lines_of_row;
            const std::int64_t first = share(lines, block, blocks);
            // Wherever a row ends before the block's share does, the rest is left to the processor.
            if (lines > 0)
              ahead = {b.row(next + first / lines_of_row) + inner + first % lines_of_row * kLine, kLine,
                       share(lines, block + 1, blocks) - first, 1};
          } else {
            const std::int64_t first = share(depth, block, blocks);
            ahead = {b.row(inner + first) + next, b.stride, share(depth, block + 1, blocks) - first, kVectors};
          }
        }
        float* tile = c.row(row) + column;
        float* next_tile = row + rows < c.rows ? c.row(row + rows) + column : c.data + std::min(next, c.columns - 1);
        multiply<false>(rows, columns,
                        {a.row(row) + inner, a.stride, panel, depth,
                         inner + depth == a.columns && bias != nullptr ? bias + column : nullptr, tile, c.stride,
                         accumulate || inner > 0, next_tile, ahead});
      }
    }
  }
}

/// Rows of c (+)= a^T b, for these rows' columns of a.
void multiply_transposed_in_panels(ConstMatrix a, ConstMatrix b, Matrix c, bool accumulate) {
  constexpr std::int64_t kDepth = kPanelDepthOfWeightGradient;
  float* panels = thread_room<Room::right_block, kDepth * kBlockColumns>();
  float* left = thread_room<Room::left_panel, kDepth * kTileRows>();
  for (std::int64_t first_column = 0; first_column < c.columns; first_column += kBlockColumns) {
    const std::int64_t block_columns = std::min(kBlockColumns, c.columns - first_column);
    const std::int64_t tiles = (block_columns + kTileColumns - 1) / kTileColumns;
    for (std::int64_t inner = 0; inner < a.rows; inner += kDepth) {
      const std::int64_t depth = std::min(kDepth, a.rows - inner);
      for (std::int64_t j = 0; j < block_columns; j += kTileColumns)
        copy_panel<kTileColumns>(b.row(inner) + first_column + j, b.stride, depth,
                                 std::min(kTileColumns, block_columns - j), panels + j * depth);
      for (std::int64_t row = 0; row < c.rows; row += kTileRows) {
        const std::int64_t rows = std::min<std::int64_t>(kTileRows, c.rows - row);
        copy_panel<kTileRows>(a.row(inner) + row, a.stride, depth, rows, left);
        for (std::int64_t j = 0; j < block_columns; j += kTileColumns) {
          const std::int64_t first = share(depth, j / kTileColumns, tiles);
          Ahead ahead;
          if (row + kTileRows < c.rows)
            ahead = {a.row(inner + first) + row + kTileRows, a.stride,
                     share(depth, j / kTileColumns + 1, tiles) - first, 1};
          float* tile = c.row(row) + first_column + j;
          float* next_tile = j + kTileColumns < block_columns ? tile + kTileColumns
                                                              : c.row(std::min(row + rows, c.rows - 1)) + first_column;
          multiply<true>(
              rows, std::min(kTileColumns, block_columns - j),
              {left, 0, panels + j * depth, depth, nullptr, tile, c.stride, accumulate || inner > 0, next_tile, ahead});
        }
      }
    }
  }
}

bool target_has_panels() { return true; }

#else

void multiply_rows_in_panels(ConstMatrix /*a*/, ConstMatrix /*b*/, bool /*transpose_b*/, const float* /*bias*/,
                             Matrix /*c*/, bool /*accumulate*/) {}
void multiply_transposed_in_panels(ConstMatrix /*a*/, ConstMatrix /*b*/, Matrix /*c*/, bool /*accumulate*/) {}
bool target_has_panels() { return false; }

#endif

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(multiply_rows_in_panels);
HWY_EXPORT(multiply_transposed_in_panels);
HWY_EXPORT(target_has_panels);

bool has_panels() { return HWY_DYNAMIC_DISPATCH(target_has_panels)(); }

bool panels_pay() {
#if defined(__x86_64__)
  static const bool intel = __builtin_cpu_is("intel") != 0;
  return intel && has_panels();
#else
  return false;
#endif
}

void multiply_in_panels(ConstMatrix a, bool transpose_a, ConstMatrix b, bool transpose_b, const float* bias, Matrix c,
                        bool accumulate, const RowsDone& done) {
  // Rows that share a panel: as many of the left operand as stay in the cache. A tile has 8.
  constexpr std::int64_t kRowsTogether = 256;
  constexpr std::int64_t kGranule = 8;
  const std::int64_t inner = transpose_a ? a.rows : a.columns;
  const std::int64_t granules = (c.rows + kGranule - 1) / kGranule;
  const int threads = static_cast<int>(
      std::min<std::int64_t>(granules, worthwhile_threads(c.rows * c.columns * inner, kMultiplicationsPerThread)));
  parallel_team(threads, [&](std::int64_t member, std::int64_t members) {
    const std::int64_t end = std::min(c.rows, granules * (member + 1) / members * kGranule);
    std::int64_t row = granules * member / members * kGranule;
    while (row < end) {
      const std::int64_t rows = transpose_a ? end - row : std::min(kRowsTogether, end - row);
      const Matrix part{c.row(row), rows, c.columns, c.stride};
      if (transpose_a) {
        HWY_DYNAMIC_DISPATCH(multiply_transposed_in_panels)
        ({a.data + row, a.rows, rows, a.stride}, b, part, accumulate);
      } else {
        HWY_DYNAMIC_DISPATCH(multiply_rows_in_panels)
        ({a.row(row), rows, a.columns, a.stride}, b, transpose_b, bias, part, accumulate);
      }
      done(row, rows);
      row += rows;
    }
  });
}

}  // namespace temper
#endif  // HWY_ONCE
