// How attention sees its matrices: the rows of a head, or of several that share keys, of one sequence; where the parts
// of a call lie, and which keys a tile of queries sees.

#if defined(TEMPER_ATTENTION_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_ATTENTION_ROWS_INL_H_
#undef TEMPER_ATTENTION_ROWS_INL_H_
#else
#define TEMPER_ATTENTION_ROWS_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tensor/kernels.h"
#include "tensor/kernels/cpu/vector/aligned_floats.h"
#include "tensor/kernels/cpu/vector/transpose-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

constexpr std::int64_t kTile = 64;

/// n rounded up to whole vectors.
HWY_INLINE std::int64_t padded(std::int64_t n) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  return (n + lanes - 1) / lanes * lanes;
}

/// Zeroed scratch, allocated once per thread and call and used for every pair of sequence and head.
class Scratch {
 public:
  explicit Scratch(std::int64_t floats) : data_(aligned_floats(std::max<std::int64_t>(floats, 1))) {
    std::fill_n(data_.get(), floats, 0.0F);
  }
  [[nodiscard]] float* data() const { return data_.get(); }

 private:
  hwy::AlignedFreeUniquePtr<float[]> data_;
};

/// Rows of one head of one sequence, whose padding may be read.
struct HeadRows {
  const float* data;
  std::int64_t stride;

  [[nodiscard]] const float* row(std::int64_t i) const { return data + i * stride; }
};

/// Copies rows of one type into rows of the other, or of the same.
template <typename From, typename To>
HWY_INLINE void convert_rows(const From* x, std::int64_t stride, std::int64_t rows, std::int64_t width, To* y,
                             std::int64_t y_stride) {
  const Floats d;
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto step = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      access.store(access.load(d, x + i * stride + j), d, y + i * y_stride + j);
    };
    for_each_vector(d, width, step);
  }
}

/// True where rows of T can be read and written as they lie: f32, and the head's width fills whole vectors.
template <typename T>
HWY_INLINE bool fits_in_place(std::int64_t width) {
  return std::is_same_v<T, float> && padded(width) == width;
}

/// The rows themselves where they fit, else a copy in f32 in `room`, whose padding stays zero.
template <typename T>
HWY_INLINE HeadRows with_padding(const T* x, std::int64_t stride, std::int64_t rows, std::int64_t width, float* room) {
  if constexpr (std::is_same_v<T, float>) {
    if (padded(width) == width) {
      return {x, stride};
    }
  }
  convert_rows(x, stride, rows, width, room, padded(width));
  return {room, padded(width)};
}

/// The rows themselves where they are f32, else a copy in `room`.
template <typename T>
HWY_INLINE HeadRows as_f32(const T* x, std::int64_t stride, std::int64_t rows, std::int64_t width, float* room) {
  if constexpr (std::is_same_v<T, float>) {
    return {x, stride};
  } else {
    convert_rows(x, stride, rows, width, room, padded(width));
    return {room, padded(width)};
  }
}

/// Rows of the queries' matrices that share keys, of one sequence: row r is that of the group's head r % group of token
/// r / group.
template <typename T>
struct GroupRows {
  T* data = nullptr;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t group = 1;

  GroupRows() = default;
  /// Those of a head of keys, or of all that share it, from row `first` of the matrix on.
  GroupRows(const MatrixOf<T>& x, std::int64_t first, std::int64_t key_head, std::int64_t heads_in_group,
            std::int64_t width)
      : data(x.row(first) + key_head * heads_in_group * width),
        token_stride(x.stride),
        head_stride(width),
        group(heads_in_group) {}

  [[nodiscard]] T* row(std::int64_t r) const {
    return group == 1 ? data + r * token_stride : data + r / group * token_stride + r % group * head_stride;
  }
  /// All rows lie stride() apart.
  [[nodiscard]] bool evenly_spaced() const { return group == 1 || token_stride == group * head_stride; }
  [[nodiscard]] std::int64_t stride() const { return group == 1 ? token_stride : head_stride; }
};

/// Whether the rows of any group of a matrix are evenly spaced.
template <typename T>
bool evenly_spaced(const MatrixOf<T>& x, std::int64_t group, std::int64_t width) {
  return group == 1 || x.stride == group * width;
}

template <typename T>
HWY_INLINE void gather_group_rows(const GroupRows<const T>& x, std::int64_t first, std::int64_t rows,
                                  std::int64_t width, float* room) {
  for (std::int64_t i = 0; i < rows; ++i) {
    convert_rows(x.row(first + i), 0, 1, width, room + i * padded(width), padded(width));
  }
}

/// As with_padding() above, of rows [first, first + rows).
template <typename T>
HWY_INLINE HeadRows with_padding(const GroupRows<const T>& x, std::int64_t first, std::int64_t rows, std::int64_t width,
                                 float* room) {
  if (x.evenly_spaced()) {
    return with_padding(x.row(first), x.stride(), rows, width, room);
  }
  gather_group_rows(x, first, rows, width, room);
  return {room, padded(width)};
}

/// As as_f32() above, of rows [first, first + rows).
template <typename T>
HWY_INLINE HeadRows as_f32(const GroupRows<const T>& x, std::int64_t first, std::int64_t rows, std::int64_t width,
                           float* room) {
  if (x.evenly_spaced()) {
    return as_f32(x.row(first), x.stride(), rows, width, room);
  }
  gather_group_rows(x, first, rows, width, room);
  return {room, padded(width)};
}

/// Where rows of a result are built up: in place where they fit, else in `room`.
template <typename T>
struct Result {
  float* data;
  std::int64_t stride;
  GroupRows<T> target;
  std::int64_t first;  ///< row of the target

  Result(const GroupRows<T>& to, std::int64_t first_row, std::int64_t width, float* room)
      : data(room), stride(padded(width)), target(to), first(first_row) {
    if constexpr (std::is_same_v<T, float>) {
      if (padded(width) == width && to.evenly_spaced()) {
        data = to.row(first_row);
        stride = to.stride();
      }
    }
  }

  [[nodiscard]] float* row(std::int64_t i) const { return data + i * stride; }
  void deliver(std::int64_t rows, std::int64_t width) const {
    if (static_cast<const void*>(data) == target.row(first)) {
      return;
    }
    if (target.evenly_spaced()) {
      convert_rows(data, stride, rows, width, target.row(first), target.stride());
      return;
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      convert_rows(row(i), 0, 1, width, target.row(first + i), 0);
    }
  }
};

template <typename T>
void clear_rows(const Result<T>& result, std::int64_t first, std::int64_t rows, std::int64_t width) {
  for (std::int64_t i = 0; i < rows; ++i) {
    std::fill_n(result.row(first + i), width, 0.0F);
  }
}

/// Transposes n rows tile by tile: the tile of rows from `first` on lies at y + first * width, [width, padded(rows)].
HWY_INLINE void transpose_tiles(const float* x, std::int64_t stride, std::int64_t n, std::int64_t width, float* y) {
  for (std::int64_t first = 0; first < n; first += kTile) {
    const std::int64_t rows = std::min(kTile, n - first);
    transpose(x + first * stride, stride, rows, width, y + first * width, padded(rows));
  }
}

/// Keys [begin, end) of a sequence.
struct KeyRange {
  std::int64_t begin;
  std::int64_t end;

  /// The tiles of keys that have any of them begin with this key.
  [[nodiscard]] std::int64_t first_tile() const { return begin / kTile * kTile; }
  [[nodiscard]] bool meets_tile(std::int64_t first_key) const { return first_key < end && first_key + kTile > begin; }
};

/// The queries of one sequence, each as often as there are heads that share keys, one after the other.
struct Queries {
  std::int64_t start;              ///< row of the first, in the matrices of queries
  std::int64_t count;              ///< of rows: tokens that ask, times heads that share keys
  const std::uint32_t* positions;  ///< of tokens; null: 0, 1, 2, ...
  std::int64_t group;              ///< heads that share keys; 1 where each has its own

  Queries(const PackedSequences& sequences, std::int64_t sequence, std::int64_t heads_that_share)
      : start(sequences.first_query(sequence)),
        count(sequences.queries(sequence) * heads_that_share),
        positions(sequences.query_starts == nullptr ? nullptr : sequences.query_positions + start),
        group(heads_that_share) {}

  [[nodiscard]] std::uint32_t position(std::int64_t i) const {
    const std::int64_t token = i / group;
    return positions == nullptr ? static_cast<std::uint32_t>(token) : positions[token];
  }
};

/// Tokens that ask, of the sequence that has most of them.
HWY_INLINE std::int64_t most_queries(const PackedSequences& sequences) {
  if (sequences.query_starts == nullptr) return sequences.longest;
  std::int64_t most = 0;
  for (std::int64_t s = 0; s < sequences.sequences; ++s) most = std::max(most, sequences.queries(s));
  return most;
}

/// One head of keys of one sequence, and its queries.
struct HeadOfSequence {
  std::int64_t sequence;
  std::int64_t key_head;
  std::int64_t head;    ///< of the queries, the first of the group
  std::int64_t start;   ///< the sequence's first row
  std::int64_t length;  ///< its tokens
  Queries query_tokens;
};

/// The pairs of sequence and head of keys are numbered sequence by sequence.
HWY_INLINE HeadOfSequence head_of(const PackedSequences& sequences, const AttentionShape& shape, std::int64_t pair) {
  const std::int64_t sequence = pair / shape.key_heads;
  const std::int64_t key_head = pair % shape.key_heads;
  return {sequence,
          key_head,
          key_head * shape.group(),
          sequences.starts[sequence],
          sequences.length(sequence),
          Queries(sequences, sequence, shape.group())};
}

/// Where the sums of exponentials of a head's queries begin, in rows: [key heads, queries, group].
HWY_INLINE std::int64_t sums_of(const HeadOfSequence& part, std::int64_t queries_of_batch) {
  return (part.key_head * queries_of_batch + part.query_tokens.start) * part.query_tokens.group;
}

/// The keys that any of some rows of queries sees.
HWY_INLINE KeyRange keys_seen(const AttentionShape& shape, const Queries& query_tokens, std::int64_t first,
                              std::int64_t rows, std::int64_t length) {
  if (shape.sees_all()) {
    return {0, length};
  }
  KeyRange seen{length, 0};
  for (std::int64_t i = first; i < first + rows; ++i) {
    const std::int64_t position = query_tokens.position(i);
    seen.begin = std::min(seen.begin, shape.first_key(position));
    seen.end = std::max(seen.end, shape.end_key(position, length));
  }
  return seen;
}

}  // namespace
}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
