// Matrix products: those of f32 in panels (panel_matmul.h) or of few rows (few_rows.h), those of bf16 by oneDNN, which
// also takes f32 where it is faster and adds a row up as it does alone (onednn_takes_f32()).
//
// oneDNN cuts a product among threads, the inner dimension included, as it sees fit, and its bits then depend on their
// number. So a product is cut here, where the shape says, whatever the number of threads, and oneDNN is only ever
// called for a part, in one thread.
//
// The right operand may be bf16, f16 or quantised where the others are f32: frozen weights as their file has them. Then
// it is widened a part at a time, and oneDNN is called as for the same weights in f32, whose bits come out.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/matmul/few_rows.h"
#include "tensor/kernels/cpu/matmul/panel_matmul.h"
#include "tensor/kernels/cpu/matmul/row_products.h"
#include "tensor/kernels/cpu/matmul/widened_weights.h"
#include "tensor/kernels/cpu/vector/aligned_floats.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"
#include "tensor/kernels/cpu/vector/parallel.h"

namespace temper {
namespace {

// Rows of a part: its result is still in the second-level cache when the activation reads it, and the many numbers of
// rows that a training run meets become few shapes.
constexpr std::int64_t kPartRows = 256;
// oneDNN adds a lone row of bf16 up in another order than the same row beside others.
constexpr std::int64_t kLeastRows = 2;
// Rows of a part for gradients of weights in bf16, where a part takes little time.
constexpr std::int64_t kPartRowsOfBFloat16Gradient = 384;
// Rows of a part where oneDNN multiplies bf16 in tiles: each part has just so many, the last with others beneath. With
// other numbers of rows, and with weights in another order, oneDNN (2.6) takes other kernels, or cuts sums elsewhere,
// and a tile adds up its part of a sum by itself, so that a row's bits would depend on how many others come with it.
constexpr std::int64_t kTileRows = 64;
// Up to so many, oneDNN adds up packed weights in the order of others, of which a single part has no need.
constexpr std::int64_t kLongestUnpacked = 1024;
// Columns of a part where a result is wider than high.
constexpr std::int64_t kPartColumns = 384;
// oneDNN brings operands into another order first, and what it takes of a long inner dimension at a time falls out of
// the cache before it is used. So long sums are put together from pieces.
constexpr std::int64_t kPieceOfWeightGradient = 512;
constexpr std::int64_t kPieceOfF32InputGradient = 768;

constexpr auto kNothingMore = [](std::int64_t /*first*/, std::int64_t /*count*/) {};

/// Columns of a result for which a thread widens weights, of rows so long, at a time: about 4 MiB.
std::int64_t widened_columns(std::int64_t inner) {
  constexpr std::int64_t kFloats = std::int64_t{1} << 20;
  constexpr std::int64_t kLeast = 128;
  return std::max(kFloats / std::max<std::int64_t>(inner, 1), kLeast);
}

struct Part {
  std::int64_t begin;
  std::int64_t count;
};

/// The parts of a side. The last may be smaller, but not smaller than `least`: then it belongs to the one before.
struct Cut {
  std::int64_t side;
  std::int64_t length;
  std::int64_t least = 1;

  [[nodiscard]] std::int64_t parts() const {
    return side > 0 ? std::max<std::int64_t>((side + length - least) / length, 1) : 0;
  }
  [[nodiscard]] Part part(std::int64_t i) const { return {i * length, i + 1 < parts() ? length : side - i * length}; }
};

/// Memory of the calling thread for one purpose, whose content is unspecified, until more is asked for it.
enum class Widening : std::uint8_t { weights, result };
template <Widening kPurpose>
float* widening_room(std::int64_t floats) {
  thread_local hwy::AlignedFreeUniquePtr<float[]> room;
  thread_local std::int64_t size = 0;
  if (size < floats) {
    room.reset();
    size = 0;
    room = aligned_floats(floats);
    size = floats;
  }
  return room.get();
}

/// c [m, n] (+)= op(a) op(b) + bias, k being the inner dimension.
struct Operands {
  ConstRows a;
  bool transpose_a;
  ConstRows b;
  bool transpose_b;
  ConstRows bias;
  Rows c;
  bool accumulate;

  [[nodiscard]] std::int64_t k() const { return transpose_a ? a.rows : a.columns; }
  /// b is narrower than what it is multiplied as.
  [[nodiscard]] bool widens() const { return b.type != a.type; }
  /// Of op(b), rows [row, row + rows) and these columns, as they lie.
  [[nodiscard]] ConstRows part_of_b(std::int64_t row, std::int64_t rows, std::int64_t column,
                                    std::int64_t columns) const {
    return transpose_b ? b.window(column, columns, row, rows) : b.window(row, rows, column, columns);
  }
  /// Where element (i, j) of op(a) lies, and of op(b).
  [[nodiscard]] const void* of_a(std::int64_t i, std::int64_t j) const { return transpose_a ? a.at(j, i) : a.at(i, j); }
  [[nodiscard]] const void* of_b(std::int64_t i, std::int64_t j) const { return transpose_b ? b.at(j, i) : b.at(i, j); }
};

std::int64_t part_rows(const Operands& o) {
  return o.transpose_a && o.a.type == DType::bf16 ? kPartRowsOfBFloat16Gradient : kPartRows;
}

std::int64_t piece_length(const Operands& o) {
  if (o.c.type == DType::bf16) return o.k();  // lest each piece round the sum
  if (o.transpose_a) return kPieceOfWeightGradient;
  return !o.transpose_b && o.a.type == DType::f32 ? kPieceOfF32InputGradient : o.k();
}

/// Whether rows come in parts of kTileRows: those of a forward pass in bf16, on a processor with tiles. Gradients of
/// inputs need not: the rows of a grain are the same wherever it is computed.
bool multiplies_in_tiles(const Operands& o) {
  static const bool has_tiles = may_use(InstructionSet::amx);
  return has_tiles && o.a.type == DType::bf16 && !o.transpose_a && o.transpose_b;
}

/// A product cut into parts, of whole rows or whole columns of the result, and each part into pieces, which are summed
/// one after another along the inner dimension.
class CutProduct {
 public:
  CutProduct(const Operands& operands, bool by_rows, ProductPrimitives& primitives)
      : o_(operands),
        in_tiles_(multiplies_in_tiles(o_)),
        by_rows_(by_rows || in_tiles_),
        parts_(in_tiles_  ? Cut{o_.c.rows, kTileRows}
               : by_rows_ ? Cut{o_.c.rows, part_rows(o_), kLeastRows}
                          : Cut{o_.c.columns, kPartColumns}),
        pieces_{.side = o_.k(), .length = piece_length(o_)},
        packed_(packs()) {
    find_primitives(primitives);
    if (packed_ && !primitive(0, 0)->packs_like(*primitive(parts_.parts() - 1, 0))) {
      packed_ = false;
      find_primitives(primitives);
    }
  }

  /// The same product of other matrices of the same shapes and strides.
  void move_to(const Operands& operands) { o_ = operands; }

  /// Runs all parts, on as many threads as they are worth; then_do(first, count) follows each part, with
  /// its rows or columns.
  template <typename ThenDo>
  void run(const ThenDo& then_do) {
    const void* packed_b = packed_ ? primitive(0, 0)->pack(o_.b.data) : nullptr;
    const std::int64_t parts = parts_.parts();
    const int threads = static_cast<int>(std::min<std::int64_t>(
        parts, worthwhile_threads(o_.c.rows * o_.c.columns * o_.k(), kMultiplicationsPerThread)));
    parallel_team(threads, [&](std::int64_t member, std::int64_t members) {
      for (std::int64_t i = parts * member / members; i < parts * (member + 1) / members; ++i) {
        run_part(i, packed_b);
        then_do(parts_.part(i).begin, parts_.part(i).count);
      }
    });
  }

 private:
  /// Whether b is packed into oneDNN's layout once for all parts. In f32 it does not pay off: what oneDNN would do
  /// otherwise (2.6: another kernel, which reorders parts as it goes) is as fast.
  [[nodiscard]] bool packs() const {
    if (in_tiles_) return parts_.parts() > 1 || o_.k() > kLongestUnpacked;
    return by_rows_ && !o_.transpose_a && o_.a.type == DType::bf16 && parts_.parts() > 1;
  }

  [[nodiscard]] ProductShape shape(std::int64_t part, std::int64_t piece) const {
    const std::int64_t side = in_tiles_ ? kTileRows : parts_.part(part).count;
    ProductShape s;
    s.m = by_rows_ ? side : o_.c.rows;
    s.n = by_rows_ ? o_.c.columns : side;
    s.k = pieces_.part(piece).count;
    s.a_stride = o_.a.stride;
    s.b_stride = o_.b.stride;
    s.c_stride = o_.c.stride;
    s.inputs = o_.a.type;
    s.output = o_.c.type;
    s.bias = o_.bias.type;
    s.transpose_a = o_.transpose_a;
    s.transpose_b = o_.transpose_b;
    s.accumulate = o_.accumulate || piece > 0;
    s.has_bias = o_.bias.data != nullptr && piece == 0;
    s.packed_b = packed_;
    return s;
  }

  void find_primitives(ProductPrimitives& primitives) {
    for (const std::int64_t part : {std::int64_t{0}, parts_.parts() - 1}) {
      for (const std::int64_t piece : {std::int64_t{0}, std::int64_t{1}, pieces_.parts() - 1})
        if (piece < pieces_.parts()) primitive(part, piece) = primitives.find(shape(part, piece));
    }
  }

  /// Parts and pieces differ at the ends only.
  std::shared_ptr<const Product>& primitive(std::int64_t part, std::int64_t piece) {
    const std::size_t place = piece == 0 ? 0 : (piece + 1 < pieces_.parts() ? 1 : 2);
    return primitives_[part + 1 < parts_.parts() ? 0 : 1][place];
  }

  void run_part(std::int64_t i, const void* packed_b) {
    const auto [begin, count] = parts_.part(i);
    if (in_tiles_ && count < kTileRows) return run_with_rows_beneath(i, packed_b);
    const std::int64_t row = by_rows_ ? begin : 0;
    const std::int64_t column = by_rows_ ? 0 : begin;
    for (std::int64_t j = 0; j < pieces_.parts(); ++j) {
      const std::int64_t inner = pieces_.part(j).begin;
      const void* const b = packed_       ? packed_b
                            : o_.widens() ? widened(pieces_.part(j), by_rows_ ? Part{0, o_.c.columns} : parts_.part(i))
                                          : o_.of_b(inner, column);
      primitive(i, j)->run(o_.of_a(row, inner), b, o_.bias.data, o_.c.at(row, column));
    }
  }

  /// The last part where it has fewer rows than others: rows of zeros lie beneath them.
  void run_with_rows_beneath(std::int64_t i, const void* packed_b) {
    thread_local std::vector<std::byte> left;
    thread_local std::vector<std::byte> result;
    const auto [begin, count] = parts_.part(i);
    const auto bytes_of = [](const auto& rows, std::int64_t columns) {
      return static_cast<std::size_t>(columns) * size_of(rows.type);
    };
    const std::size_t left_bytes = bytes_of(o_.a, o_.a.columns);
    const std::size_t result_bytes = bytes_of(o_.c, o_.c.columns);
    const std::size_t result_stride = bytes_of(o_.c, o_.c.stride);
    left.assign(kTileRows * left_bytes, std::byte{0});
    result.resize(kTileRows * result_stride);
    std::memcpy(left.data(), o_.of_a(begin, 0), static_cast<std::size_t>(count) * left_bytes);
    for (std::int64_t row = 0; row < count && o_.accumulate; ++row)
      std::memcpy(result.data() + static_cast<std::size_t>(row) * result_stride, o_.c.at(begin + row, 0), result_bytes);
    primitive(i, 0)->run(left.data(), packed_ ? packed_b : o_.b.data, o_.bias.data, result.data());
    for (std::int64_t row = 0; row < count; ++row)
      std::memcpy(o_.c.at(begin + row, 0), result.data() + static_cast<std::size_t>(row) * result_stride, result_bytes);
  }

  /// The part of b for these columns of the result, with the stride that b has. By rows it is widened for each part of
  /// them: that is little beside the part's product, and what another thread has just written is slow to read.
  [[nodiscard]] const void* widened(Part inner, Part columns) const {
    const ConstRows part = o_.part_of_b(inner.begin, inner.count, columns.begin, columns.count);
    float* const room = widening_room<Widening::weights>(part.rows * part.stride);
    widen_weights(part, room, part.stride);
    return room;
  }

  Operands o_;
  bool in_tiles_;
  bool by_rows_;
  Cut parts_;
  Cut pieces_;
  bool packed_;
  std::array<std::array<std::shared_ptr<const Product>, 3>, 2> primitives_;  ///< [last part][first, middle, last piece]
};

/// oneDNN adds up rows that lie in a wider matrix in another order than rows that lie one after the other, and few of
/// the former otherwise than many. It is given the latter alone.
bool left_rows_have_gaps(const Operands& o) { return !o.transpose_a && o.a.stride != o.a.columns; }

bool runs_in_panels(const Operands& o) {
  const bool f32 = o.a.type == DType::f32 && o.c.type == DType::f32;
  return f32 && (!onednn_takes_f32() || left_rows_have_gaps(o));
}

/// The left operand without gaps between its rows, in memory of the calling thread, until the next call.
ConstRows without_gaps(ConstRows a) {
  thread_local std::vector<std::byte> room;
  const auto row_bytes = static_cast<std::size_t>(a.columns) * size_of(a.type);
  room.resize(static_cast<std::size_t>(a.rows) * row_bytes);
  for (std::int64_t i = 0; i < a.rows; ++i)
    std::memcpy(room.data() + static_cast<std::size_t>(i) * row_bytes, a.at(i, 0), row_bytes);
  return {room.data(), a.rows, a.columns, a.columns, a.type};
}

bool is_lone_row(const Operands& o) {
  return o.c.rows == 1 && o.a.type == DType::bf16 && !o.transpose_a && !multiplies_in_tiles(o);
}

/// The product of a lone row (kLeastRows), computed as two.
void multiply_lone_row(const Operands& o, bool by_rows, ProductPrimitives& primitives) {
  thread_local std::vector<std::byte> left;
  thread_local std::vector<std::byte> result;
  const auto twice = [](std::vector<std::byte>& room, const void* row, std::size_t bytes) {
    room.resize(2 * bytes);
    std::memcpy(room.data(), row, bytes);
    std::memcpy(room.data() + bytes, row, bytes);
  };
  const std::size_t result_bytes = static_cast<std::size_t>(o.c.columns) * size_of(o.c.type);
  twice(left, o.a.data, static_cast<std::size_t>(o.a.columns) * size_of(o.a.type));
  twice(result, o.c.data, result_bytes);  // which only a product that accumulates reads
  Operands pair = o;
  pair.a = {left.data(), 2, o.a.columns, o.a.columns, o.a.type};
  pair.c = {result.data(), 2, o.c.columns, o.c.columns, o.c.type};
  CutProduct(pair, by_rows, primitives).run(kNothingMore);
  std::memcpy(o.c.data, result.data(), result_bytes);
}

void copy_rows(const Matrix& from, const Matrix& to) {
  for (std::int64_t row = 0; row < from.rows; ++row) std::copy_n(from.row(row), from.columns, to.row(row));
}

/// c (+)= a b^T + bias by rows, b being narrower. A thread widens b for some columns of c and computes these: what
/// another thread has just written is slow to read. In which order oneDNN adds up depends on whether the rows of c lie
/// side by side, but not on their length; so where they do, the columns are computed beside c.
void multiply_widened_columns(const Operands& o, ProductPrimitives& primitives) {
  constexpr std::int64_t kLeastColumns = 64;
  const bool beside = o.c.stride == o.c.columns;
  const Cut columns{o.c.columns, widened_columns(o.k()), kLeastColumns};
  const auto operands_of = [&](Part part) {
    Operands some = o;
    some.b = {nullptr, part.count, o.b.columns, o.b.stride, DType::f32};
    some.c = {o.c.at(0, part.begin), o.c.rows, part.count, beside ? part.count : o.c.stride, DType::f32};
    if (o.bias.data != nullptr) some.bias = {o.bias.at(0, part.begin), 1, part.count, part.count, o.bias.type};
    return some;
  };
  const std::int64_t parts = columns.parts();
  const CutProduct ordinary(operands_of(columns.part(0)), true, primitives);
  const CutProduct last(operands_of(columns.part(parts - 1)), true, primitives);
  const int threads = static_cast<int>(
      std::min<std::int64_t>(parts, worthwhile_threads(o.c.rows * o.c.columns * o.k(), kMultiplicationsPerThread)));
  parallel_team(threads, [&](std::int64_t member, std::int64_t members) {
    for (std::int64_t i = parts * member / members; i < parts * (member + 1) / members; ++i) {
      const Part part = columns.part(i);
      Operands some = operands_of(part);
      float* const weights = widening_room<Widening::weights>(part.count * o.b.stride);
      widen_weights(o.b.part(part.begin, part.count), weights, o.b.stride);
      some.b.data = weights;
      const Matrix own{static_cast<float*>(some.c.data), o.c.rows, part.count, o.c.stride};
      if (beside) some.c.data = widening_room<Widening::result>(o.c.rows * part.count);
      if (beside && o.accumulate) copy_rows(own, some.c.as<float>());
      CutProduct product = i + 1 < parts ? ordinary : last;
      product.move_to(some);
      product.run(kNothingMore);
      if (beside) copy_rows(some.c.as<float>(), own);
    }
  });
}

/// Runs a product in the way that takes least time; then_do(first, count) follows rows of the result, or parts of its
/// columns where it is cut by these.
template <typename ThenDo>
void multiply(const Operands& o, bool by_rows, ProductPrimitives& primitives, const ThenDo& then_do) {
  if (multiply_few_rows(o.a, o.transpose_a, o.b, o.transpose_b, o.bias, o.c, o.accumulate)) {
    then_do(0, o.c.rows);
  } else if (runs_in_panels(o)) {
    multiply_in_panels(o.a.as<float>(), o.transpose_a, o.b, o.transpose_b, static_cast<const float*>(o.bias.data),
                       o.c.as<float>(), o.accumulate, then_do);
  } else if (is_lone_row(o)) {
    multiply_lone_row(o, by_rows, primitives);
    then_do(0, 1);
  } else if (o.widens() && by_rows && o.transpose_b && !o.transpose_a) {
    multiply_widened_columns(o, primitives);
    then_do(0, o.c.rows);
  } else {
    Operands operands = o;
    if (left_rows_have_gaps(o)) operands.a = without_gaps(o.a);
    CutProduct(operands, by_rows, primitives).run(then_do);
  }
}

void require_types(ConstRows a, bool transpose_a, ConstRows b, ConstRows c) {
  const auto known = [](DType type) { return type == DType::f32 || type == DType::bf16; };
  const bool widens = a.type == DType::f32 && !transpose_a && is_narrow(b.type);
  if (!known(a.type) || (a.type != b.type && !widens) || (c.type != a.type && c.type != DType::f32))
    throw Error(
        "matmul: the CPU multiplies matrices of one type, or f32 and weights in bf16, f16 or quantised, into the type "
        "of the first or f32, but was given {}, {} and {}",
        name_of(a.type), name_of(b.type), name_of(c.type));
}

}  // namespace

void CpuKernels::run(const calls::Matmul& call) {
  require_types(call.a, call.transpose_a, call.b, call.c);
  const Operands operands{call.a, call.transpose_a, call.b, call.transpose_b, {}, call.c, call.accumulate};
  if (call.c.rows == 0 || call.c.columns == 0) return;
  if (operands.k() == 0) {
    const std::int64_t row_bytes = call.c.columns * static_cast<std::int64_t>(size_of(call.c.type));
    for (std::int64_t i = 0; i < call.c.rows && !call.accumulate; ++i)
      run(calls::Clear{.data = call.c.at(i, 0), .bytes = row_bytes});
    return;
  }
  const bool by_rows = call.c.rows >= call.c.columns || (call.transpose_a && call.c.rows >= part_rows(operands));
  multiply(operands, by_rows, products_, kNothingMore);
}

void CpuKernels::run(const calls::LinearWeightGradient& call) { call.run_parts(whole()); }

void CpuKernels::run(const calls::LinearForward& call) {
  (void)common_type(call.kKernel.name, call.x, call.bias, call.z, call.y);
  require_types(call.x, false, call.weight, call.z);
  if (call.z.rows == 0 || call.z.columns == 0 || call.x.columns == 0) {
    call.run_parts(whole());
    return;
  }
  const bool has_more = call.activation != Activation::none || call.y.data != call.z.data;
  if (call.row_by_row) {
    multiply_row_by_row(call.x, call.weight, call.bias, call.z);
    if (has_more) run(calls::BiasActivationForward{.z = call.z, .activation = call.activation, .y = call.y});
    return;
  }
  multiply({call.x, false, call.weight, true, call.bias, call.z, false}, true, products_,
           [&](std::int64_t first, std::int64_t count) {
             if (has_more)
               run(calls::BiasActivationForward{
                   .z = call.z.part(first, count), .activation = call.activation, .y = call.y.part(first, count)});
           });
}

}  // namespace temper
