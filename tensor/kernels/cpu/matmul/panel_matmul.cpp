#include "tensor/kernels/cpu/matmul/panel_matmul.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tensor/kernels/cpu/vector/instruction_set.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/matmul/panel_matmul.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/aligned_allocator.h"
#include "hwy/highway.h"
#include "tensor/kernels/cpu/matmul/panel_tile-inl.h"
#include "tensor/kernels/cpu/vector/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

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

/// panel [depth, kTileColumns] = the transpose of rows [columns, depth], filled up with zeros.
void transpose_panel(const float* from, std::int64_t stride, std::int64_t columns, std::int64_t depth, float* panel) {
  for (std::int64_t first = 0; first < kTileColumns; first += kLanes) {
    const std::int64_t rows = std::min<std::int64_t>(kLanes, columns - first);
    const float* x = from + first * stride;
    std::int64_t p = 0;
    if (rows == kLanes) {
      for (; p + 4 <= depth; p += 4)
        transpose_4_of_lanes(x + p, stride, panel + p * kTileColumns + first, kTileColumns);
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

/// Rows of c (+)= a^T op(b), for these rows' columns of a.
void multiply_transposed_in_panels(ConstMatrix a, ConstMatrix b, bool transpose_b, Matrix c, bool accumulate) {
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
        if (transpose_b) {
          transpose_panel(b.row(first_column + j) + inner, b.stride, columns, depth, panels + j * depth);
        } else {
          copy_panel<kTileColumns>(b.row(inner) + first_column + j, b.stride, depth, columns, panels + j * depth);
        }
      }
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

std::int64_t rows_of_tile() { return kTileRows; }
bool target_has_avx512() { return HWY_TARGET == HWY_AVX3; }

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(multiply_rows_in_panels);
HWY_EXPORT(multiply_transposed_in_panels);
HWY_EXPORT(rows_of_tile);
HWY_EXPORT(target_has_avx512);

bool onednn_takes_f32() {
#if defined(__x86_64__)
  static const bool amd = __builtin_cpu_is("amd") != 0;
  return amd && may_use(InstructionSet::avx512) && HWY_DYNAMIC_DISPATCH(target_has_avx512)();
#else
  return false;
#endif
}

void multiply_in_panels(ConstMatrix a, bool transpose_a, ConstMatrix b, bool transpose_b, const float* bias, Matrix c,
                        bool accumulate, const RowsDone& done) {
  // Rows that share a panel: as many of the left operand as stay in the cache.
  constexpr std::int64_t kRowsTogether = 256;
  const std::int64_t granule = HWY_DYNAMIC_DISPATCH(rows_of_tile)();
  const std::int64_t rows_together = kRowsTogether / granule * granule;
  const std::int64_t inner = transpose_a ? a.rows : a.columns;
  const std::int64_t granules = (c.rows + granule - 1) / granule;
  const int threads = static_cast<int>(
      std::min<std::int64_t>(granules, worthwhile_threads(c.rows * c.columns * inner, kMultiplicationsPerThread)));
  parallel_team(threads, [&](std::int64_t member, std::int64_t members) {
    const std::int64_t end = std::min(c.rows, granules * (member + 1) / members * granule);
    std::int64_t row = granules * member / members * granule;
    while (row < end) {
      const std::int64_t rows = transpose_a ? end - row : std::min(rows_together, end - row);
      const Matrix part{c.row(row), rows, c.columns, c.stride};
      if (transpose_a) {
        HWY_DYNAMIC_DISPATCH(multiply_transposed_in_panels)
        ({a.data + row, a.rows, rows, a.stride}, b, transpose_b, part, accumulate);
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
