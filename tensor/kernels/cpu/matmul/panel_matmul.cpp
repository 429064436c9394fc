#include "tensor/kernels/cpu/matmul/panel_matmul.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tensor/kernels/cpu/vector/aligned_floats.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/matmul/panel_matmul.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/matmul/panel_tile-inl.h"
#include "tensor/kernels/cpu/matmul/widening-inl.h"
#include "tensor/kernels/cpu/vector/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

// Rows that share a panel: as many of the left operand as stay in the second-level cache; a few more than 256, which
// are often all.
constexpr std::int64_t kBlockRows = 264;
static_assert(kBlockRows % kTileRows == 0);
/// Floats of a way of the first-level cache: rows that lie a multiple of it apart share a set of eight lines.
constexpr std::int64_t kWay = 1024;
/// Lines of a row of a panel.
constexpr std::int64_t kPanelLines = std::max<std::int64_t>(kTileColumns / kLine, 1);
// Columns of the right operand that are packed together for a gradient of weights: they stay in the second-level cache.
constexpr std::int64_t kBlockColumns = 384;

/// panel [rows, kWidth] = rows [rows, columns], filled up with zeros.
template <std::int64_t kWidth>
void copy_panel(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns, float* panel) {
  for (std::int64_t p = 0; p < rows; ++p, from += stride, panel += kWidth) {
    if (columns == kWidth) {
      if constexpr (kWidth % kLanes == 0) {
        HWY_UNROLL(3)
        for (std::int64_t j = 0; j < kWidth; j += kLanes) store_panel(load_panel(from + j), panel + j);
      } else {
        std::memcpy(panel, from, kWidth * sizeof(float));
      }
    } else {
      std::copy_n(from, columns, panel);
      std::fill_n(panel + columns, kWidth - columns, 0.0F);
    }
  }
}

/// Elements of each row that are transposed before the next rows are: a line where a panel leaves room in the first
/// level of the cache, into which it was fetched.
constexpr std::int64_t kTransposedTogether = kFetchLevel == 3 ? kLine : kPanelDepth;

/// panel [depth, kTileColumns] = the transpose of rows [columns, depth], filled up with zeros.
void transpose_panel(const float* from, std::int64_t stride, std::int64_t columns, std::int64_t depth, float* panel) {
  for (std::int64_t begin = 0; begin < depth; begin += kTransposedTogether) {
    const std::int64_t end = std::min(begin + kTransposedTogether, depth);
    for (std::int64_t first = 0; first < kTileColumns; first += kLanes) {
      const std::int64_t rows = std::min<std::int64_t>(kLanes, columns - first);
      const float* x = from + first * stride;
      std::int64_t p = begin;
      if (rows == kLanes) {
        for (; p + 4 <= end; p += 4)
          transpose_4_of_lanes(x + p, stride, panel + p * kTileColumns + first, kTileColumns);
      }
      for (; p < end; ++p) {
        for (std::int64_t i = 0; i < kLanes; ++i)
          panel[p * kTileColumns + first + i] = i < rows ? x[i * stride + p] : 0.0F;
      }
    }
  }
}

enum class Room { right_panel, right_block, left_panel, left_block, widened };

/// Memory of a thread for one purpose.
template <Room kPurpose, std::int64_t kFloats>
float* thread_room() {
  thread_local const auto room = aligned_floats(kFloats);
  return room.get();
}

/// Where the i-th of n shares of `total` begins.
std::int64_t share(std::int64_t total, std::int64_t i, std::int64_t n) { return total * i / n; }

/// What the i-th of n tiles fetches of `part`, columns of b [depth, .] or rows of its transpose, from which a panel
/// will be made.
Ahead fetch_of_tile(ConstRows part, bool transpose_b, std::int64_t i, std::int64_t n) {
  const auto lines_of = [&](std::int64_t elements) {
    return (static_cast<std::int64_t>(size_of(part.type, elements)) + kLineBytes - 1) / kLineBytes;
  };
  // Transposed, a line of each row at a time.
  const std::int64_t all = transpose_b ? lines_of(part.columns) : part.rows;
  const std::int64_t first = share(all, i, n);
  const std::int64_t count = share(all, i + 1, n) - first;
  if (part.rows <= 0 || part.columns <= 0 || count == 0) return {};
  const auto at = [&](std::int64_t row) { return static_cast<const char*>(part.at(row, 0)); };
  const auto stride = static_cast<std::int64_t>(size_of(part.type, part.stride));
  if (transpose_b) return {at(0) + first * kLineBytes, stride, part.rows, count};
  return {at(first), stride, count, part.type == DType::f32 ? kPanelLines : lines_of(kTileColumns)};
}

/// A part of the right operand as f32, at most kTileColumns by kPanelDepth, whichever way: where it lies, or widened.
ConstMatrix as_floats(ConstRows part) {
  if (part.type == DType::f32) return part.as<float>();
  // Long rows a line further apart, so that they do not share a set of the first-level cache.
  const std::int64_t stride = part.columns > kTileColumns ? kPanelDepth + kLine : kTileColumns;
  constexpr std::int64_t kFloats = std::max(kTileColumns * (kPanelDepth + kLine), kPanelDepth * kTileColumns);
  float* const room = thread_room<Room::widened, kFloats>();
  widen_rows(part, room, stride);
  return {room, part.rows, part.columns, stride};
}

/// panel [depth, kTileColumns] = `part` of the right operand, [depth, columns] or its transpose.
void pack_panel(ConstRows part, bool transpose_b, float* panel) {
  const ConstMatrix from = as_floats(part);
  if (transpose_b) {
    transpose_panel(from.data, from.stride, part.rows, part.columns, panel);
  } else {
    copy_panel<kTileColumns>(from.data, from.stride, part.rows, part.columns, panel);
  }
}

/// A copy of at most kBlockRows rows of at most kPanelDepth columns, in which no two rows of a tile share a set of the
/// first-level cache.
ConstMatrix spread(ConstMatrix a) {
  constexpr std::int64_t kStride = kPanelDepth + kLine;
  float* const rows = thread_room<Room::left_block, kBlockRows * kStride>();
  for (std::int64_t i = 0; i < a.rows; ++i) std::copy_n(a.row(i), a.columns, rows + i * kStride);
  return {rows, a.rows, a.columns, kStride};
}

}  // namespace

/// At most kBlockRows rows of c (+)= a op(b) + bias.
void multiply_rows_in_panels(ConstMatrix a, ConstRows b, bool transpose_b, const float* bias, Matrix c,
                             bool accumulate) {
  float* const panel = thread_room<Room::right_panel, kPanelDepth * kTileColumns>();
  const std::int64_t tiles = (c.rows + kTileRows - 1) / kTileRows;
  for (std::int64_t inner = 0; inner < a.columns; inner += kPanelDepth) {
    const std::int64_t depth = std::min(kPanelDepth, a.columns - inner);
    ConstMatrix left{a.data + inner, a.rows, depth, a.stride};
    if (a.stride % kWay == 0) left = spread(left);
    const float* const bias_of_piece = inner + depth == a.columns ? bias : nullptr;
    for (std::int64_t column = 0; column < c.columns; column += kTileColumns) {
      const auto part_of_b = [&](std::int64_t first, std::int64_t count) {
        return transpose_b ? columns_of(b.part(first, count), inner, depth)
                           : columns_of(b.part(inner, depth), first, count);
      };
      const std::int64_t columns = std::min(kTileColumns, c.columns - column);
      pack_panel(part_of_b(column, columns), transpose_b, panel);
      // The next panel of the same depth; the first of the next depth comes unannounced.
      const std::int64_t next = std::min(column + kTileColumns, c.columns - 1);
      const ConstRows next_part = part_of_b(next, std::min(kTileColumns, c.columns - column - columns));
      for (std::int64_t tile = 0; tile < tiles; ++tile) {
        const std::int64_t row = tile * kTileRows;
        const std::int64_t rows = std::min<std::int64_t>(kTileRows, c.rows - row);
        float* const next_tile = row + rows < c.rows ? c.row(row + rows) + column : c.data + next;
        multiply<false>(rows, columns,
                        {left.row(row), left.stride, panel, depth,
                         bias_of_piece != nullptr ? bias_of_piece + column : nullptr, c.row(row) + column, c.stride,
                         accumulate || inner > 0, next_tile, fetch_of_tile(next_part, transpose_b, tile, tiles)});
      }
    }
  }
}

/// Rows of c (+)= a^T op(b), for these rows' columns of a.
void multiply_transposed_in_panels(ConstMatrix a, ConstRows b, bool transpose_b, Matrix c, bool accumulate) {
  constexpr std::int64_t kDepth = kPanelDepthOfWeightGradient;
  float* panels = thread_room<Room::right_block, kDepth * kBlockColumns>();
  float* left = thread_room<Room::left_panel, kDepth * kTileRows>();
  for (std::int64_t first_column = 0; first_column < c.columns; first_column += kBlockColumns) {
    const std::int64_t block_columns = std::min(kBlockColumns, c.columns - first_column);
    const std::int64_t tiles = (block_columns + kTileColumns - 1) / kTileColumns;
    for (std::int64_t inner = 0; inner < a.rows; inner += kDepth) {
      const std::int64_t depth = std::min(kDepth, a.rows - inner);
      for (std::int64_t j = 0; j < block_columns; j += kTileColumns) {
        const std::int64_t columns = std::min(kTileColumns, block_columns - j);
        const std::int64_t first = first_column + j;
        pack_panel(transpose_b ? columns_of(b.part(first, columns), inner, depth)
                               : columns_of(b.part(inner, depth), first, columns),
                   transpose_b, panels + j * depth);
      }
      for (std::int64_t row = 0; row < c.rows; row += kTileRows) {
        const std::int64_t rows = std::min<std::int64_t>(kTileRows, c.rows - row);
        copy_panel<kTileRows>(a.row(inner) + row, a.stride, depth, rows, left);
        for (std::int64_t j = 0; j < block_columns; j += kTileColumns) {
          const std::int64_t first = share(depth, j / kTileColumns, tiles);
          Ahead ahead;
          if (row + kTileRows < c.rows)
            ahead = {reinterpret_cast<const char*>(a.row(inner + first) + row + kTileRows),
                     a.stride * static_cast<std::int64_t>(sizeof(float)),
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

std::int64_t rows_of_tile() { return kTileRows; }
std::int64_t rows_of_block() { return kBlockRows; }
bool target_has_avx512() { return HWY_TARGET == HWY_AVX3; }

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(multiply_rows_in_panels);
HWY_EXPORT(multiply_transposed_in_panels);
HWY_EXPORT(rows_of_tile);
HWY_EXPORT(rows_of_block);
HWY_EXPORT(target_has_avx512);

bool onednn_takes_f32() {
#if defined(__x86_64__)
  static const bool amd = __builtin_cpu_is("amd") != 0;
  return amd && may_use(InstructionSet::avx512) && HWY_DYNAMIC_DISPATCH(target_has_avx512)();
#else
  return false;
#endif
}

void multiply_in_panels(ConstMatrix a, bool transpose_a, ConstRows b, bool transpose_b, const float* bias, Matrix c,
                        bool accumulate, const RowsDone& done) {
  const std::int64_t granule = HWY_DYNAMIC_DISPATCH(rows_of_tile)();
  const std::int64_t block_rows = HWY_DYNAMIC_DISPATCH(rows_of_block)();
  const std::int64_t inner = transpose_a ? a.rows : a.columns;
  const std::int64_t granules = (c.rows + granule - 1) / granule;
  const int threads = static_cast<int>(
      std::min<std::int64_t>(granules, worthwhile_threads(c.rows * c.columns * inner, kMultiplicationsPerThread)));
  parallel_team(threads, [&](std::int64_t member, std::int64_t members) {
    const std::int64_t begin = granules * member / members;
    const std::int64_t end = granules * (member + 1) / members;
    // Blocks of about as many rows each: a small one at the end would pay as much for its panels as a large one.
    const std::int64_t blocks = transpose_a ? 1 : ((end - begin) * granule + block_rows - 1) / block_rows;
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t row = (begin + (end - begin) * block / blocks) * granule;
      const std::int64_t rows = std::min(c.rows, (begin + (end - begin) * (block + 1) / blocks) * granule) - row;
      const Matrix part{c.row(row), rows, c.columns, c.stride};
      if (transpose_a) {
        HWY_DYNAMIC_DISPATCH(multiply_transposed_in_panels)
        ({a.data + row, a.rows, rows, a.stride}, b, transpose_b, part, accumulate);
      } else {
        HWY_DYNAMIC_DISPATCH(multiply_rows_in_panels)
        ({a.row(row), rows, a.columns, a.stride}, b, transpose_b, bias, part, accumulate);
      }
      done(row, rows);
    }
  });
}

}  // namespace temper
#endif  // HWY_ONCE
