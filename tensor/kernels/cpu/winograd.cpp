#include "tensor/kernels/cpu/winograd.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/kernels/cpu/vector/aligned_floats.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/winograd.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

#ifndef TEMPER_WINOGRAD_TYPES
#define TEMPER_WINOGRAD_TYPES
namespace temper {

constexpr std::int64_t kWinogradPoints = 16;

/// Tiles of 2 x 2 places, image after image. A tile at the lower or right edge may have fewer places.
struct WinogradTiles {
  WindowGrid grid;

  [[nodiscard]] std::int64_t high() const { return (grid.high + 1) / 2; }
  [[nodiscard]] std::int64_t wide() const { return (grid.wide + 1) / 2; }
  [[nodiscard]] std::int64_t count() const { return grid.images * high() * wide(); }
  /// Of the 4 x 4 pixels under a tile, the first. The window may be mirrored.
  [[nodiscard]] std::int64_t first_y() const { return grid.first_y - (grid.step < 0 ? 2 : 0); }
  [[nodiscard]] std::int64_t first_x() const { return grid.first_x - (grid.step < 0 ? 2 : 0); }
};

/// Where a tile lies.
struct WinogradTile {
  std::int64_t image;
  std::int64_t y;  ///< of its first place
  std::int64_t x;

  WinogradTile(const WinogradTiles& tiles, std::int64_t tile) {
    const std::int64_t line = tile / tiles.wide();
    image = line / tiles.high();
    y = line % tiles.high() * 2;
    x = tile % tiles.wide() * 2;
  }
};

/// 16 matrices, a point each, which lie `spacing` floats apart.
struct WinogradMatrices {
  float* data;
  std::int64_t columns;
  std::int64_t spacing;

  [[nodiscard]] float* row(std::int64_t i) const { return data + i * columns; }
  [[nodiscard]] Rows point(std::int64_t k, std::int64_t rows) const {
    return {data + k * spacing, rows, columns, columns, DType::f32};
  }
};

/// Lines of a weight for each of the nine taps: [out, taps * in] has lines of `in`, transposed it has lines of `out`.
template <typename T>
struct WinogradWeight {
  MatrixOf<T> matrix;
  std::int64_t lines;
  std::int64_t length;
  bool transposed;
  bool mirrored;

  [[nodiscard]] T* line(std::int64_t line, std::int64_t a, std::int64_t b) const {
    const std::int64_t tap = mirrored ? 8 - (a * 3 + b) : a * 3 + b;
    return transposed ? matrix.row(tap * lines + line) : matrix.row(line) + tap * length;
  }
};

}  // namespace temper
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

// With the paper's B^T, G and A^T; a matrix is transformed column by column, and what comes out row by row.

/// to = B^T d B of the pixels under tiles [begin, end), the first of which is row 0. `zeros` has a pixel's channels.
void winograd_pixels(const WinogradTiles& tiles, ConstMatrix x, const float* zeros, std::int64_t begin,
                     std::int64_t end, std::int64_t first, const WinogradMatrices& to) {
  const Floats d;
  const WindowGrid& grid = tiles.grid;
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const WinogradTile at(tiles, tile);
    const float* pixels[4][4];
    for (std::int64_t a = 0; a < 4; ++a) {
      const std::int64_t line = at.y + tiles.first_y() + a;
      for (std::int64_t b = 0; b < 4; ++b) {
        const std::int64_t column = at.x + tiles.first_x() + b;
        const bool inside = line >= 0 && line < grid.height && column >= 0 && column < grid.width;
        pixels[a][b] = inside ? x.row((at.image * grid.height + line) * grid.width + column) : zeros;
      }
    }
    float* const row = to.row(tile - first);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      FloatVector t[4][4];
      HWY_UNROLL(4)
      for (int b = 0; b < 4; ++b) {
        const auto d0 = access.load(d, pixels[0][b] + i);
        const auto d1 = access.load(d, pixels[1][b] + i);
        const auto d2 = access.load(d, pixels[2][b] + i);
        const auto d3 = access.load(d, pixels[3][b] + i);
        t[0][b] = hn::Sub(d0, d2);
        t[1][b] = hn::Add(d1, d2);
        t[2][b] = hn::Sub(d2, d1);
        t[3][b] = hn::Sub(d1, d3);
      }
      HWY_UNROLL(4)
      for (int a = 0; a < 4; ++a) {
        float* const points = row + 4 * a * to.spacing + i;
        access.store(hn::Sub(t[a][0], t[a][2]), d, points);
        access.store(hn::Add(t[a][1], t[a][2]), d, points + to.spacing);
        access.store(hn::Sub(t[a][2], t[a][1]), d, points + 2 * to.spacing);
        access.store(hn::Sub(t[a][1], t[a][3]), d, points + 3 * to.spacing);
      }
    };
    for_each_vector(d, x.columns, step);
  }
}

/// to = G g G^T of lines [begin, end) of a weight.
void winograd_weights(const WinogradWeight<const float>& weight, std::int64_t begin, std::int64_t end,
                      const WinogradMatrices& to) {
  const Floats d;
  const auto half = hn::Set(d, 0.5F);
  for (std::int64_t line = begin; line < end; ++line) {
    float* const row = to.row(line);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      FloatVector t[4][3];
      HWY_UNROLL(3)
      for (int b = 0; b < 3; ++b) {
        const auto g0 = access.load(d, weight.line(line, 0, b) + i);
        const auto g1 = access.load(d, weight.line(line, 1, b) + i);
        const auto g2 = access.load(d, weight.line(line, 2, b) + i);
        const auto outer = hn::Add(g0, g2);
        t[0][b] = g0;
        t[1][b] = hn::Mul(half, hn::Add(outer, g1));
        t[2][b] = hn::Mul(half, hn::Sub(outer, g1));
        t[3][b] = g2;
      }
      HWY_UNROLL(4)
      for (int a = 0; a < 4; ++a) {
        float* const points = row + 4 * a * to.spacing + i;
        const auto outer = hn::Add(t[a][0], t[a][2]);
        access.store(t[a][0], d, points);
        access.store(hn::Mul(half, hn::Add(outer, t[a][1])), d, points + to.spacing);
        access.store(hn::Mul(half, hn::Sub(outer, t[a][1])), d, points + 2 * to.spacing);
        access.store(t[a][2], d, points + 3 * to.spacing);
      }
    };
    for_each_vector(d, weight.length, step);
  }
}

/// y (+)= A^T m A + bias at the places of tiles [begin, end), the first of which is row 0. The bias may be null.
void winograd_places(const WinogradTiles& tiles, const WinogradMatrices& from, const float* bias, std::int64_t begin,
                     std::int64_t end, std::int64_t first, Matrix y, bool accumulate) {
  const Floats d;
  const WindowGrid& grid = tiles.grid;
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const WinogradTile at(tiles, tile);
    const std::int64_t place = (at.image * grid.high + at.y) * grid.wide + at.x;
    const int lines = at.y + 1 < grid.high ? 2 : 1;
    const int columns = at.x + 1 < grid.wide ? 2 : 1;
    const float* const row = from.row(tile - first);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      FloatVector t[2][4];
      HWY_UNROLL(4)
      for (int b = 0; b < 4; ++b) {
        const float* const points = row + b * from.spacing + i;
        const auto m0 = access.load(d, points);
        const auto m1 = access.load(d, points + 4 * from.spacing);
        const auto m2 = access.load(d, points + 8 * from.spacing);
        const auto m3 = access.load(d, points + 12 * from.spacing);
        t[0][b] = hn::Add(m0, hn::Add(m1, m2));
        t[1][b] = hn::Sub(hn::Sub(m1, m2), m3);
      }
      const auto write = [&](FloatVector v, float* to) TEMPER_VECTOR_LAMBDA {
        if (bias != nullptr) v = hn::Add(v, access.load(d, bias + i));
        if (accumulate) v = hn::Add(access.load(d, to + i), v);
        access.store(v, d, to + i);
      };
      HWY_UNROLL(2)
      for (int a = 0; a < 2; ++a) {
        if (a == lines) break;
        write(hn::Add(t[a][0], hn::Add(t[a][1], t[a][2])), y.row(place + a * grid.wide));
        if (columns == 2) write(hn::Sub(hn::Sub(t[a][1], t[a][2]), t[a][3]), y.row(place + a * grid.wide + 1));
      }
    };
    for_each_vector(d, y.columns, step);
  }
}

/// to = A g A^T of the gradients at the places of tiles [begin, end), the first of which is row 0.
void winograd_gradients(const WinogradTiles& tiles, ConstMatrix dz, const float* zeros, std::int64_t begin,
                        std::int64_t end, std::int64_t first, const WinogradMatrices& to) {
  const Floats d;
  const WindowGrid& grid = tiles.grid;
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const WinogradTile at(tiles, tile);
    const float* places[2][2];
    for (std::int64_t a = 0; a < 2; ++a)
      for (std::int64_t b = 0; b < 2; ++b) {
        const bool inside = at.y + a < grid.high && at.x + b < grid.wide;
        places[a][b] = inside ? dz.row((at.image * grid.high + at.y + a) * grid.wide + at.x + b) : zeros;
      }
    float* const row = to.row(tile - first);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      FloatVector t[4][2];
      HWY_UNROLL(2)
      for (int b = 0; b < 2; ++b) {
        const auto g0 = access.load(d, places[0][b] + i);
        const auto g1 = access.load(d, places[1][b] + i);
        t[0][b] = g0;
        t[1][b] = hn::Add(g0, g1);
        t[2][b] = hn::Sub(g0, g1);
        t[3][b] = hn::Neg(g1);
      }
      HWY_UNROLL(4)
      for (int a = 0; a < 4; ++a) {
        float* const points = row + 4 * a * to.spacing + i;
        access.store(t[a][0], d, points);
        access.store(hn::Add(t[a][0], t[a][1]), d, points + to.spacing);
        access.store(hn::Sub(t[a][0], t[a][1]), d, points + 2 * to.spacing);
        access.store(hn::Neg(t[a][1]), d, points + 3 * to.spacing);
      }
    };
    for_each_vector(d, dz.columns, step);
  }
}

/// Lines [begin, end) of the weight's gradient (+)= G^T m G.
void winograd_weight_gradients(const WinogradMatrices& from, std::int64_t begin, std::int64_t end,
                               const WinogradWeight<float>& d_weight, bool accumulate) {
  const Floats d;
  const auto half = hn::Set(d, 0.5F);
  for (std::int64_t line = begin; line < end; ++line) {
    const float* const row = from.row(line);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      FloatVector t[3][4];
      HWY_UNROLL(4)
      for (int b = 0; b < 4; ++b) {
        const float* const points = row + b * from.spacing + i;
        const auto m1 = access.load(d, points + 4 * from.spacing);
        const auto m2 = access.load(d, points + 8 * from.spacing);
        const auto inner = hn::Mul(half, hn::Add(m1, m2));
        t[0][b] = hn::Add(access.load(d, points), inner);
        t[1][b] = hn::Mul(half, hn::Sub(m1, m2));
        t[2][b] = hn::Add(inner, access.load(d, points + 12 * from.spacing));
      }
      const auto write = [&](FloatVector v, float* to) TEMPER_VECTOR_LAMBDA {
        if (accumulate) v = hn::Add(access.load(d, to + i), v);
        access.store(v, d, to + i);
      };
      HWY_UNROLL(3)
      for (int a = 0; a < 3; ++a) {
        const auto inner = hn::Mul(half, hn::Add(t[a][1], t[a][2]));
        write(hn::Add(t[a][0], inner), d_weight.line(line, a, 0));
        write(hn::Mul(half, hn::Sub(t[a][1], t[a][2])), d_weight.line(line, a, 1));
        write(hn::Add(inner, t[a][3]), d_weight.line(line, a, 2));
      }
    };
    for_each_vector(d, d_weight.length, step);
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(winograd_pixels);
HWY_EXPORT(winograd_weights);
HWY_EXPORT(winograd_places);
HWY_EXPORT(winograd_gradients);
HWY_EXPORT(winograd_weight_gradients);

namespace {

// Fewer channels are multiplied in less time than they are transformed; of smaller maps, one image has as many weights
// to transform as it saves.
constexpr std::int64_t kLeastWinogradChannels = 64;
constexpr std::int64_t kLeastWinogradSide = 7;
// Floats of what a block of tiles is transformed to and multiplied to: they stay in the third-level cache.
constexpr std::int64_t kFloatsOfBlock = std::int64_t{1} << 20;
constexpr std::int64_t kLeastTilesOfBlock = 128;

bool is_transformed(const WindowGrid& grid, std::int64_t in, std::int64_t out, DType type) {
  return type == DType::f32 && grid.taps_high == 3 && grid.taps_wide == 3 && grid.stride == 1 &&
         std::min(grid.high, grid.wide) >= kLeastWinogradSide && std::min(in, out) >= kLeastWinogradChannels;
}

/// Sizes of the 16 matrices of one purpose.
struct WinogradSize {
  std::int64_t rows;
  std::int64_t columns;

  /// Floats from a point to the next: a multiple of 4 KiB apart, they would share a set of the first-level cache.
  [[nodiscard]] std::int64_t spacing() const {
    constexpr std::int64_t kWay = 1024;
    constexpr std::int64_t kLine = 16;
    return (rows * columns + kWay - 1) / kWay * kWay + kLine;
  }
  [[nodiscard]] std::int64_t floats() const { return kWinogradPoints * spacing(); }
};

/// Of a call: what is multiplied, and `block` tiles at a time.
struct WinogradSizes {
  WinogradSize left;
  WinogradSize right;
  WinogradSize product;
  std::int64_t block;

  [[nodiscard]] WinogradRooms rooms() const {
    constexpr std::int64_t kFloat = sizeof(float);
    return {left.floats() * kFloat, right.floats() * kFloat, product.floats() * kFloat};
  }
};

std::int64_t tiles_of_block(const WindowGrid& grid, std::int64_t in, std::int64_t out) {
  const std::int64_t most = std::max(kFloatsOfBlock / (kWinogradPoints * (in + out)), kLeastTilesOfBlock);
  return std::min(most, WinogradTiles{grid}.count());
}

WinogradSizes sizes_of(const calls::WindowProduct& call) {
  const std::int64_t in = call.x.columns;
  const std::int64_t out = call.y.columns;
  const std::int64_t block = tiles_of_block(call.grid, in, out);
  const bool turned = call.weight_is_transposed;
  return {{block, in}, {turned ? in : out, turned ? out : in}, {block, out}, block};
}

WinogradSizes sizes_of(const calls::WindowWeightGradient& call) {
  const std::int64_t in = call.x.columns;
  const std::int64_t out = call.dz.columns;
  const std::int64_t block = tiles_of_block(call.grid, in, out);
  return {{block, out}, {block, in}, {out, in}, block};
}

/// Memory of the calling thread for one purpose, until more is asked for it.
enum class WinogradRoom { left, right, product };

template <WinogradRoom kPurpose>
WinogradMatrices winograd_room(const WinogradSize& asked) {
  thread_local hwy::AlignedFreeUniquePtr<float[]> room;
  thread_local std::int64_t size = 0;
  if (size < asked.floats()) {
    room.reset();
    size = 0;
    room = aligned_floats(asked.floats());
    size = asked.floats();
  }
  return {room.get(), asked.columns, asked.spacing()};
}

/// Calls body(first, end) for blocks of tiles, one after the other. Where they end depends on the channels alone.
template <typename Body>
void for_each_block(const WinogradTiles& tiles, std::int64_t block, const Body& body) {
  for (std::int64_t first = 0; first < tiles.count(); first += block)
    body(first, std::min(first + block, tiles.count()));
}

/// Elements that are read and written for a row of these columns.
std::int64_t work_of_row(std::int64_t columns) { return 2 * kWinogradPoints * columns; }

}  // namespace

bool winograd_pays(const calls::WindowProduct& call) {
  return call.weight.type == call.x.type && is_transformed(call.grid, call.x.columns, call.y.columns, call.x.type);
}

bool winograd_pays(const calls::WindowWeightGradient& call) {
  return is_transformed(call.grid, call.x.columns, call.dz.columns, call.x.type);
}

WinogradRooms& WinogradRooms::operator|=(const WinogradRooms& other) {
  left = std::max(left, other.left);
  right = std::max(right, other.right);
  product = std::max(product, other.product);
  return *this;
}

WinogradRooms winograd_rooms(const calls::WindowProduct& call) {
  return winograd_pays(call) ? sizes_of(call).rooms() : WinogradRooms{};
}

WinogradRooms winograd_rooms(const calls::WindowWeightGradient& call) {
  return winograd_pays(call) ? sizes_of(call).rooms() : WinogradRooms{};
}

void run_by_winograd(const calls::WindowProduct& call, Kernels& kernels) {
  const WinogradTiles tiles{call.grid};
  const std::int64_t in = call.x.columns;
  const std::int64_t out = call.y.columns;
  const ConstMatrix x = call.x.as<float>();
  const Matrix y = call.y.as<float>();
  const WinogradSizes sizes = sizes_of(call);
  const WinogradWeight<const float> weight{call.weight.as<float>(), sizes.right.rows, sizes.right.columns,
                                           call.weight_is_transposed, call.grid.step < 0};
  const WinogradMatrices right = winograd_room<WinogradRoom::right>(sizes.right);
  parallel_ranges(weight.lines, work_of_row(weight.length), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(winograd_weights)(weight, begin, end, right);
  });
  const std::vector<float> zeros(static_cast<std::size_t>(in));
  const WinogradMatrices left = winograd_room<WinogradRoom::left>(sizes.left);
  const WinogradMatrices product = winograd_room<WinogradRoom::product>(sizes.product);
  for_each_block(tiles, sizes.block, [&](std::int64_t first, std::int64_t last) {
    parallel_ranges(last - first, work_of_row(in), [&](std::int64_t begin, std::int64_t end) {
      HWY_DYNAMIC_DISPATCH(winograd_pixels)(tiles, x, zeros.data(), first + begin, first + end, first, left);
    });
    for (std::int64_t k = 0; k < kWinogradPoints; ++k)
      kernels.run(calls::Matmul{.a = left.point(k, last - first),
                                .b = right.point(k, weight.lines),
                                .transpose_b = !call.weight_is_transposed,
                                .c = product.point(k, last - first)});
    parallel_ranges(last - first, work_of_row(out), [&](std::int64_t begin, std::int64_t end) {
      HWY_DYNAMIC_DISPATCH(winograd_places)
      (tiles, product, call.bias.as<float>().data, first + begin, first + end, first, y, call.accumulate);
    });
  });
}

void run_by_winograd(const calls::WindowWeightGradient& call, Kernels& kernels) {
  const WinogradTiles tiles{call.grid};
  const std::int64_t in = call.x.columns;
  const std::int64_t out = call.dz.columns;
  const ConstMatrix x = call.x.as<float>();
  const ConstMatrix dz = call.dz.as<float>();
  const std::vector<float> zeros(static_cast<std::size_t>(std::max(in, out)));
  const WinogradSizes sizes = sizes_of(call);
  const WinogradMatrices left = winograd_room<WinogradRoom::left>(sizes.left);
  const WinogradMatrices right = winograd_room<WinogradRoom::right>(sizes.right);
  const WinogradMatrices product = winograd_room<WinogradRoom::product>(sizes.product);
  for_each_block(tiles, sizes.block, [&](std::int64_t first, std::int64_t last) {
    parallel_ranges(last - first, work_of_row(in + out), [&](std::int64_t begin, std::int64_t end) {
      HWY_DYNAMIC_DISPATCH(winograd_pixels)(tiles, x, zeros.data(), first + begin, first + end, first, right);
      HWY_DYNAMIC_DISPATCH(winograd_gradients)(tiles, dz, zeros.data(), first + begin, first + end, first, left);
    });
    for (std::int64_t k = 0; k < kWinogradPoints; ++k)
      kernels.run(calls::Matmul{.a = left.point(k, last - first),
                                .transpose_a = true,
                                .b = right.point(k, last - first),
                                .c = product.point(k, out),
                                .accumulate = first > 0});
  });
  const WinogradWeight<float> d_weight{call.d_weight, out, in, false, call.grid.step < 0};
  parallel_ranges(out, work_of_row(in), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(winograd_weight_gradients)(product, begin, end, d_weight, call.accumulate_weight);
  });
  if (call.d_bias != nullptr) {
    // Nothing is written of dz, which is its own output.
    const Rows same{const_cast<void*>(call.dz.data), call.dz.rows, call.dz.columns, call.dz.stride, call.dz.type};
    kernels.run(calls::BiasActivationBackward{
        .dy = call.dz, .dz = same, .d_bias = call.d_bias, .accumulate_bias = call.accumulate_bias});
  }
}

}  // namespace temper
#endif  // HWY_ONCE
