// What attention in tiles consists of beside its products: scratch, queries, the running softmax, dropout.

#if defined(TEMPER_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_ATTENTION_TILES_INL_H_
#undef TEMPER_ATTENTION_TILES_INL_H_
#else
#define TEMPER_ATTENTION_TILES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "hwy/aligned_allocator.h"
#include "hwy/contrib/math/math-inl.h"
#include "tensor/kernels.h"
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

/// Zeroed scratch, taken once a thread and call and used for every pair of sequence and head.
class Scratch {
 public:
  explicit Scratch(std::int64_t floats)
      : data_(hwy::AllocateAligned<float>(static_cast<std::size_t>(std::max<std::int64_t>(floats, 1)))) {
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

/// Where a result of a head is built up: in place where it fits, else in `room`.
template <typename T>
struct Result {
  float* data;
  std::int64_t stride;
  T* target;
  std::int64_t target_stride;

  Result(T* to, std::int64_t to_stride, std::int64_t width, float* room)
      : data(room), stride(padded(width)), target(to), target_stride(to_stride) {
    if constexpr (std::is_same_v<T, float>) {
      if (padded(width) == width) {
        data = to;
        stride = to_stride;
      }
    }
  }

  [[nodiscard]] float* row(std::int64_t i) const { return data + i * stride; }
  void deliver(std::int64_t rows, std::int64_t width) const {
    if (static_cast<const void*>(data) != target) {
      convert_rows(data, stride, rows, width, target, target_stride);
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

/// The tokens of one sequence that ask. Where all heads share the keys, a token's heads are so many queries, one behind
/// the other.
struct Queries {
  std::int64_t start;  ///< their first row
  std::int64_t count;
  const std::uint32_t* positions;  ///< of tokens; null: 0, 1, 2, ...
  std::int64_t heads_of_token;     ///< that share keys; 1 where each has its own

  Queries(const PackedSequences& sequences, std::int64_t sequence, std::int64_t sharing)
      : start(starts_of(sequences)[sequence] * sharing),
        count(starts_of(sequences)[sequence + 1] * sharing - start),
        positions(sequences.query_starts == nullptr ? nullptr : sequences.query_positions + start / sharing),
        heads_of_token(sharing) {}

  [[nodiscard]] std::uint32_t position(std::int64_t i) const {
    const std::int64_t token = i / heads_of_token;
    return positions == nullptr ? static_cast<std::uint32_t>(token) : positions[token];
  }

 private:
  static const std::int32_t* starts_of(const PackedSequences& sequences) {
    return sequences.query_starts == nullptr ? sequences.starts : sequences.query_starts;
  }
};

/// One head of one sequence.
struct HeadOfSequence {
  std::int64_t sequence;
  std::int64_t head;
  std::int64_t start;   ///< the sequence's first row
  std::int64_t length;  ///< its tokens
  std::int64_t column;  ///< the head's first
  Queries asking;
};

/// The pairs of sequence and head are numbered sequence by sequence.
HWY_INLINE HeadOfSequence head_of(const PackedSequences& sequences, std::int64_t heads, std::int64_t width,
                                  std::int64_t pair, std::int64_t sharing = 1) {
  const std::int64_t sequence = pair / heads;
  const std::int64_t head = pair % heads;
  const std::int64_t start = sequences.starts[sequence];
  return {sequence,     head,
          start,        sequences.starts[sequence + 1] - start,
          head * width, Queries(sequences, sequence, sharing)};
}

/// The dropout mask of one tile of probabilities.
class TileDropout {
 public:
  TileDropout(const Dropout& dropout, std::int64_t largest_tile)
      : dropout_(dropout), threshold_(static_cast<std::int32_t>(dropout.threshold())), scale_(dropout.scale()) {
    if (active()) {
      const auto most = static_cast<std::size_t>(largest_tile * ((largest_tile + 7) / 8));
      blocks_.resize(most);
      positions_.resize(most);
      half_words_.resize(8 * most + kHalfWordSlack);
    }
  }

  [[nodiscard]] bool active() const { return threshold_ != 0; }

  /// first_key is a multiple of 8.
  void draw(std::uint32_t example, std::int64_t head, const Queries& asking, std::int64_t first_query,
            std::int64_t queries, std::int64_t first_key, std::int64_t keys) {
    row_blocks_ = (keys + 7) / 8;
    std::size_t place = 0;
    for (std::int64_t i = 0; i < queries; ++i) {
      for (std::int64_t block = 0; block < row_blocks_; ++block, ++place) {
        blocks_[place] = static_cast<std::uint32_t>(first_key / 8 + block);
        positions_[place] = asking.position(first_query + i);
      }
    }
    // A head is part of the counter.
    const std::int64_t rows_at_once = asking.heads_of_token == 1 ? queries : 1;
    for (std::int64_t i = 0; i < queries; i += rows_at_once) {
      const std::int64_t first = i * row_blocks_;
      const auto head_of_row = static_cast<std::uint32_t>(head + (first_query + i) % asking.heads_of_token);
      philox_half_words(blocks_.data() + first, positions_.data() + first, example,
                        (dropout_.place << 12) + head_of_row, dropout_.key, rows_at_once * row_blocks_,
                        half_words_.data() + 8 * first);
    }
  }

  /// Elements of the tile's row from `column` on, dropped or scaled.
  HWY_INLINE FloatVector apply(FloatVector v, std::int64_t row, std::int64_t column) const {
    return drop(Floats(), v, half_words_.data() + row * row_blocks_ * 8 + column, threshold_, scale_);
  }

 private:
  Dropout dropout_;
  std::int32_t threshold_;
  float scale_;
  std::int64_t row_blocks_ = 0;
  std::vector<std::uint32_t> blocks_;
  std::vector<std::uint32_t> positions_;
  std::vector<std::uint16_t> half_words_;
};

/// What the softmax of a tile's queries has seen so far.
struct RunningSoftmax {
  HWY_ALIGN float maxima[kTile];
  HWY_ALIGN float sums[kTile];
  HWY_ALIGN float rescale[kTile];  ///< by what the last tile changed the scale of what came before it
};

/// scores [queries, keys] become e^(scale * score - maximum so far); scale > 0.
HWY_INLINE void softmax_tile(float* scores, std::int64_t stride, std::int64_t queries, std::int64_t keys, float scale,
                             bool first, RunningSoftmax& running) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto scales = hn::Set(d, scale);
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  HWY_ALIGN float maxima[kTile] = {};
  HWY_ALIGN float sums[kTile] = {};
  for (std::int64_t i = 0; i < queries; ++i) {
    const float* row = scores + i * stride;
    auto largest = lowest;
    const auto find_largest = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      largest = hn::Max(largest, access.valid_or(d, hn::LoadU(d, row + j), lowest));
    };
    for_each_vector(d, keys, find_largest);
    const float scaled = hn::GetLane(hn::MaxOfLanes(d, largest)) * scale;
    maxima[i] = first ? scaled : std::max(running.maxima[i], scaled);
  }
  for (std::int64_t i = 0; i < queries; ++i) {
    float* row = scores + i * stride;
    const auto largest = hn::Set(d, maxima[i]);
    auto sum = hn::Zero(d);
    const auto exponentiate = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      const auto e = exponential(d, hn::MulSub(hn::LoadU(d, row + j), scales, largest));
      sum = hn::Add(sum, access.valid_or_zero(d, e));
      hn::StoreU(e, d, row + j);
    };
    for_each_vector(d, keys, exponentiate);
    sums[i] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
  for (std::int64_t i = 0; i < queries; i += lanes) {
    const auto largest = hn::Load(d, maxima + i);
    auto sum = hn::Load(d, sums + i);
    if (!first) {
      const auto rescale = exponential(d, hn::Sub(hn::Load(d, running.maxima + i), largest));
      sum = hn::MulAdd(hn::Load(d, running.sums + i), rescale, sum);
      hn::Store(rescale, d, running.rescale + i);
    }
    hn::Store(largest, d, running.maxima + i);
    hn::Store(sum, d, running.sums + i);
  }
}

HWY_INLINE void multiply_rows(float* x, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                              const float* factors) {
  const Floats d;
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto factor = hn::Set(d, factors[i]);
    const auto step = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      access.store(hn::Mul(access.load(d, x + i * stride + j), factor), d, x + i * stride + j);
    };
    for_each_vector(d, columns, step);
  }
}

/// to[i] = the logarithm of the sum of exponentials of query i.
HWY_INLINE void write_log_sum_exp(const RunningSoftmax& running, std::int64_t queries, float* to) {
  const Floats d;
  const auto take_logarithm = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto logarithm = hn::Log(d, hn::LoadU(d, running.sums + i));
    access.store(hn::Add(hn::LoadU(d, running.maxima + i), logarithm), d, to + i);
  };
  for_each_vector(d, queries, take_logarithm);
}

/// Drops and scales the probabilities of a tile.
HWY_INLINE void drop_tile(const TileDropout& mask, float* scores, std::int64_t stride, std::int64_t queries,
                          std::int64_t keys) {
  const Floats d;
  for (std::int64_t i = 0; i < queries; ++i) {
    for (std::int64_t j = 0; j < keys; j += static_cast<std::int64_t>(hn::Lanes(d))) {
      float* at = scores + i * stride + j;
      hn::StoreU(mask.apply(hn::LoadU(d, at), i, j), d, at);
    }
  }
}

/// What the gradient of a tile's scores is made of, all f32.
struct TileGradient {
  float* p;                 ///< in: scores; out: the probabilities, dropped and scaled
  float* ds;                ///< in: the gradient of the probabilities before dropout; out: of the scores
  std::int64_t stride;      ///< of both
  const float* logarithms;  ///< [queries], of the sums of exponentials
  const float* products;    ///< [queries], of a query's output with its gradient
};

HWY_INLINE void differentiate_tile(const TileGradient& tile, std::int64_t queries, std::int64_t keys, float scale,
                                   const TileDropout& mask) {
  const Floats d;
  const auto scales = hn::Set(d, scale);
  for (std::int64_t i = 0; i < queries; ++i) {
    const auto logarithm = hn::Set(d, tile.logarithms[i]);
    const auto product = hn::Set(d, tile.products[i]);
    for (std::int64_t j = 0; j < keys; j += static_cast<std::int64_t>(hn::Lanes(d))) {
      float* p_at = tile.p + i * tile.stride + j;
      float* ds_at = tile.ds + i * tile.stride + j;
      const auto probability = exponential(d, hn::MulSub(hn::LoadU(d, p_at), scales, logarithm));
      auto d_probability = hn::LoadU(d, ds_at);
      auto kept = probability;
      if (mask.active()) {
        d_probability = mask.apply(d_probability, i, j);
        kept = mask.apply(probability, i, j);
      }
      hn::StoreU(kept, d, p_at);
      hn::StoreU(hn::Mul(hn::Mul(probability, scales), hn::Sub(d_probability, product)), d, ds_at);
    }
  }
}

/// products[i] = out[i] . d_out[i], of one head.
template <typename T>
HWY_INLINE void multiply_outputs(const T* out, std::int64_t out_stride, const T* d_out, std::int64_t d_out_stride,
                                 std::int64_t rows, std::int64_t width, float* products) {
  const Floats d;
  for (std::int64_t i = 0; i < rows; ++i) {
    auto sum = hn::Zero(d);
    const auto multiply = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      sum = hn::MulAdd(access.load(d, out + i * out_stride + j), access.load(d, d_out + i * d_out_stride + j), sum);
    };
    for_each_vector(d, width, multiply);
    products[i] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

}  // namespace
}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
