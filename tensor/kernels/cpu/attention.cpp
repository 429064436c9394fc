// Attention in tiles of kTile queries by kTile keys, one head of one sequence after another.
//
// Scores are computed with the keys in the vector's lanes, so the keys are transposed first; lanes beyond the last key
// hold anything finite and are masked where a row is summed or its maximum sought. Head widths that fill whole vectors
// are read and written in place, others through padded copies.
#include "tensor/kernels/cpu/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/attention.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/aligned_allocator.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "tensor/kernels/cpu/small_matmul-inl.h"
#include "tensor/kernels/cpu/transpose-inl.h"
#include "tensor/kernels/cpu/vector_math-inl.h"

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

/// The tokens of one sequence that ask.
struct Queries {
  std::int64_t start;  ///< their first row
  std::int64_t count;
  const std::uint32_t* positions;  ///< [count]; null: 0, 1, 2, ...

  Queries(const PackedSequences& sequences, std::int64_t sequence)
      : start(starts_of(sequences)[sequence]),
        count(starts_of(sequences)[sequence + 1] - start),
        positions(sequences.query_starts == nullptr ? nullptr : sequences.query_positions + start) {}

  [[nodiscard]] std::uint32_t position(std::int64_t i) const {
    return positions == nullptr ? static_cast<std::uint32_t>(i) : positions[i];
  }

 private:
  static const std::int32_t* starts_of(const PackedSequences& sequences) {
    return sequences.query_starts == nullptr ? sequences.starts : sequences.query_starts;
  }
};

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
    philox_half_words(blocks_.data(), positions_.data(), example,
                      (dropout_.place << 12) + static_cast<std::uint32_t>(head), dropout_.key,
                      static_cast<std::int64_t>(place), half_words_.data());
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

/// scores [queries, keys] become e^(scale * score - maximum so far).
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
    auto largest = first ? lowest : hn::Set(d, running.maxima[i]);
    const auto find_largest = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      largest = hn::Max(largest, access.valid_or(d, hn::Mul(hn::LoadU(d, row + j), scales), lowest));
    };
    for_each_vector(d, keys, find_largest);
    maxima[i] = hn::GetLane(hn::MaxOfLanes(d, largest));
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

/// The pairs of sequence and head that fall to `member` of `members`, dealt out one by one.
template <typename T>
void forward_typed(MatrixOf<const T> q, MatrixOf<const T> k, MatrixOf<const T> v, const PackedSequences& sequences,
                   std::int64_t heads, float scale, const Dropout& dropout, MatrixOf<T> out, float* log_sum_exp,
                   std::int64_t member, std::int64_t members) {
  const Floats d;
  const std::int64_t width = q.columns / heads;
  const std::int64_t padded_width = padded(width);
  const bool in_place = fits_in_place<T>(width);
  const bool is_f32 = std::is_same_v<T, float>;
  const std::int64_t tile = std::min(kTile, sequences.longest);
  const Scratch keys_transposed(width * padded(sequences.longest));
  const Scratch keys_room(is_f32 ? 0 : sequences.longest * padded_width);
  const Scratch queries_room(is_f32 ? 0 : tile * padded_width);
  const Scratch values_room(in_place ? 0 : sequences.longest * padded_width);
  const Scratch out_room(in_place ? 0 : tile * padded_width);
  const Scratch scores_room(tile * padded(tile));
  float* scores = scores_room.data();
  RunningSoftmax running{};
  TileDropout mask(dropout, tile);

  for (std::int64_t pair = member; pair < sequences.sequences * heads; pair += members) {
    const std::int64_t sequence = pair / heads;
    const std::int64_t head = pair % heads;
    const std::int64_t start = sequences.starts[sequence];
    const std::int64_t length = sequences.starts[sequence + 1] - start;
    const std::int64_t column = head * width;
    const Queries asking(sequences, sequence);
    if (asking.count == 0) {
      continue;
    }
    const HeadRows key_rows = as_f32(k.row(start) + column, k.stride, length, width, keys_room.data());
    transpose_tiles(key_rows.data, key_rows.stride, length, width, keys_transposed.data());
    const HeadRows values = with_padding(v.row(start) + column, v.stride, length, width, values_room.data());

    for (std::int64_t first_query = 0; first_query < asking.count; first_query += kTile) {
      const std::int64_t queries = std::min(kTile, asking.count - first_query);
      const HeadRows tile_queries =
          as_f32(q.row(asking.start + first_query) + column, q.stride, queries, width, queries_room.data());
      const LeftOperand query_rows{tile_queries.data, tile_queries.stride, 1};
      const Result<T> result(out.row(asking.start + first_query) + column, out.stride, width, out_room.data());
      for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
        const std::int64_t keys = std::min(kTile, length - first_key);
        const std::int64_t stride = padded(keys);
        const bool first = first_key == 0;
        small_matmul(query_rows, keys_transposed.data() + first_key * width, stride, queries, stride, width, scores,
                     stride, false);
        softmax_tile(scores, stride, queries, keys, scale, first, running);
        if (mask.active()) {
          mask.draw(sequences.examples[sequence], head, asking, first_query, queries, first_key, keys);
          for (std::int64_t i = 0; i < queries; ++i) {
            for (std::int64_t j = 0; j < keys; j += static_cast<std::int64_t>(hn::Lanes(d))) {
              float* at = scores + i * stride + j;
              hn::StoreU(mask.apply(hn::LoadU(d, at), i, j), d, at);
            }
          }
        }
        if (!first) {
          multiply_rows(result.data, result.stride, queries, padded_width, running.rescale);
        }
        small_matmul({scores, stride, 1}, values.row(first_key), values.stride, queries, padded_width, keys,
                     result.data, result.stride, !first);
      }
      for (std::int64_t i = 0; i < queries; ++i) {
        running.rescale[i] = 1.0F / running.sums[i];
      }
      multiply_rows(result.data, result.stride, queries, padded_width, running.rescale);
      result.deliver(queries, width);
      if (log_sum_exp != nullptr) {
        float* to = log_sum_exp + head * q.rows + asking.start + first_query;
        const auto take_logarithm = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
          const auto logarithm = hn::Log(d, hn::LoadU(d, running.sums + i));
          access.store(hn::Add(hn::LoadU(d, running.maxima + i), logarithm), d, to + i);
        };
        for_each_vector(d, queries, take_logarithm);
      }
    }
  }
}

/// With P the probabilities, M the dropout mask with its scale, and D[i] = dO[i] . O[i]:
///   dV = (M P)^T dO,   dP = M (dO V^T),   dS = scale P (dP - D),   dQ = dS K,   dK = dS^T Q.
template <typename T>
void backward_typed(MatrixOf<const T> q, MatrixOf<const T> k, MatrixOf<const T> v, MatrixOf<const T> out,
                    MatrixOf<const T> d_out, const float* log_sum_exp, const PackedSequences& sequences,
                    std::int64_t heads, float scale, const Dropout& dropout, MatrixOf<T> dq, MatrixOf<T> dk,
                    MatrixOf<T> dv, std::int64_t member, std::int64_t members) {
  const Floats d;
  const std::int64_t width = q.columns / heads;
  const std::int64_t padded_width = padded(width);
  const std::int64_t longest = sequences.longest;
  const std::int64_t tile = std::min(kTile, longest);
  const std::int64_t room = fits_in_place<T>(width) ? 0 : longest * padded_width;
  const Scratch keys_transposed(width * padded(longest));
  const Scratch values_transposed(width * padded(longest));
  const Scratch q_room(room);
  const Scratch k_room(room);
  const Scratch v_room(std::is_same_v<T, float> ? 0 : room);
  const Scratch d_out_room(room);
  const Scratch dq_room(room);
  const Scratch dk_room(room);
  const Scratch dv_room(room);
  const Scratch products_room(longest);
  const Scratch p_room(tile * padded(tile));
  const Scratch ds_room(tile * padded(tile));
  float* products = products_room.data();
  float* p = p_room.data();
  float* ds = ds_room.data();
  const auto scales = hn::Set(d, scale);
  TileDropout mask(dropout, tile);

  for (std::int64_t pair = member; pair < sequences.sequences * heads; pair += members) {
    const std::int64_t sequence = pair / heads;
    const std::int64_t head = pair % heads;
    const std::int64_t start = sequences.starts[sequence];
    const std::int64_t length = sequences.starts[sequence + 1] - start;
    const std::int64_t column = head * width;
    const Queries asking(sequences, sequence);
    const float* logarithms = log_sum_exp + head * q.rows + asking.start;
    const HeadRows query_rows =
        with_padding(q.row(asking.start) + column, q.stride, asking.count, width, q_room.data());
    const HeadRows key_rows = with_padding(k.row(start) + column, k.stride, length, width, k_room.data());
    const HeadRows value_rows = as_f32(v.row(start) + column, v.stride, length, width, v_room.data());
    transpose_tiles(key_rows.data, key_rows.stride, length, width, keys_transposed.data());
    transpose_tiles(value_rows.data, value_rows.stride, length, width, values_transposed.data());
    const HeadRows d_out_rows =
        with_padding(d_out.row(asking.start) + column, d_out.stride, asking.count, width, d_out_room.data());
    const Result<T> d_queries(dq.row(asking.start) + column, dq.stride, width, dq_room.data());
    const Result<T> d_keys(dk.row(start) + column, dk.stride, width, dk_room.data());
    const Result<T> d_values(dv.row(start) + column, dv.stride, width, dv_room.data());

    for (std::int64_t i = 0; i < asking.count; ++i) {
      const T* out_row = out.row(asking.start + i) + column;
      const T* d_out_row = d_out.row(asking.start + i) + column;
      auto sum = hn::Zero(d);
      const auto multiply = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
        sum = hn::MulAdd(access.load(d, out_row + j), access.load(d, d_out_row + j), sum);
      };
      for_each_vector(d, width, multiply);
      products[i] = hn::GetLane(hn::SumOfLanes(d, sum));
    }

    for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
      const std::int64_t keys = std::min(kTile, length - first_key);
      const std::int64_t stride = padded(keys);
      if (asking.count == 0) {
        clear_rows(d_keys, first_key, keys, padded_width);
        clear_rows(d_values, first_key, keys, padded_width);
      }
      for (std::int64_t first_query = 0; first_query < asking.count; first_query += kTile) {
        const std::int64_t queries = std::min(kTile, asking.count - first_query);
        small_matmul({query_rows.row(first_query), query_rows.stride, 1}, keys_transposed.data() + first_key * width,
                     stride, queries, stride, width, p, stride, false);
        small_matmul({d_out_rows.row(first_query), d_out_rows.stride, 1}, values_transposed.data() + first_key * width,
                     stride, queries, stride, width, ds, stride, false);
        if (mask.active()) {
          mask.draw(sequences.examples[sequence], head, asking, first_query, queries, first_key, keys);
        }
        for (std::int64_t i = 0; i < queries; ++i) {
          const auto logarithm = hn::Set(d, logarithms[first_query + i]);
          const auto product = hn::Set(d, products[first_query + i]);
          for (std::int64_t j = 0; j < keys; j += static_cast<std::int64_t>(hn::Lanes(d))) {
            float* p_at = p + i * stride + j;
            float* ds_at = ds + i * stride + j;
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
        small_matmul({p, 1, stride}, d_out_rows.row(first_query), d_out_rows.stride, keys, padded_width, queries,
                     d_values.row(first_key), d_values.stride, first_query != 0);
        small_matmul({ds, 1, stride}, query_rows.row(first_query), query_rows.stride, keys, padded_width, queries,
                     d_keys.row(first_key), d_keys.stride, first_query != 0);
        small_matmul({ds, stride, 1}, key_rows.row(first_key), key_rows.stride, queries, padded_width, keys,
                     d_queries.row(first_query), d_queries.stride, first_key != 0);
      }
    }
    d_queries.deliver(asking.count, width);
    d_keys.deliver(length, width);
    d_values.deliver(length, width);
  }
}

}  // namespace

void attention_forward_part(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences, std::int64_t heads,
                            float scale, const Dropout& dropout, Rows out, float* log_sum_exp, std::int64_t member,
                            std::int64_t members) {
  const auto run = [&]<typename T>(T /*element*/) {
    forward_typed<T>(q.as<T>(), k.as<T>(), v.as<T>(), sequences, heads, scale, dropout, out.as<T>(), log_sum_exp,
                     member, members);
  };
  q.type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

void attention_backward_part(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                             const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                             float scale, const Dropout& dropout, Rows dq, Rows dk, Rows dv, std::int64_t member,
                             std::int64_t members) {
  const auto run = [&]<typename T>(T /*element*/) {
    backward_typed<T>(q.as<T>(), k.as<T>(), v.as<T>(), out.as<T>(), d_out.as<T>(), log_sum_exp, sequences, heads, scale,
                      dropout, dq.as<T>(), dk.as<T>(), dv.as<T>(), member, members);
  };
  q.type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(attention_forward_part);
HWY_EXPORT(attention_backward_part);

namespace {

/// Threads worth waking for `products` tiles' products of the whole batch, were its sequences equally long.
int threads_for(const PackedSequences& sequences, std::int64_t columns, std::int64_t heads, std::int64_t products) {
  constexpr std::int64_t kMultiplicationsPerThread = 1 << 18;
  const std::int64_t mean_length = sequences.tokens / std::max<std::int64_t>(sequences.sequences, 1);
  const std::int64_t work = sequences.tokens * mean_length * columns * products;
  return static_cast<int>(
      std::min<std::int64_t>(sequences.sequences * heads, worthwhile_threads(work, kMultiplicationsPerThread)));
}

}  // namespace

void CpuKernels::attention_forward(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences,
                                   std::int64_t heads, float scale, const Dropout& dropout, Rows out,
                                   float* log_sum_exp) {
  // A type that is refused must be refused here: nothing may throw inside the team.
  (void)common_type("attention_forward", q, k, v, out);
  parallel_team(threads_for(sequences, q.columns, heads, 2), [&](std::int64_t member, std::int64_t members) {
    HWY_DYNAMIC_DISPATCH(attention_forward_part)
    (q, k, v, sequences, heads, scale, dropout, out, log_sum_exp, member, members);
  });
}

void CpuKernels::attention_backward(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                                    const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                                    float scale, const Dropout& dropout, Rows dq, Rows dk, Rows dv) {
  (void)common_type("attention_backward", q, k, v, out, d_out, dq, dk, dv);
  parallel_team(threads_for(sequences, q.columns, heads, 5), [&](std::int64_t member, std::int64_t members) {
    HWY_DYNAMIC_DISPATCH(attention_backward_part)
    (q, k, v, out, d_out, log_sum_exp, sequences, heads, scale, dropout, dq, dk, dv, member, members);
  });
}

}  // namespace temper
#endif  // HWY_ONCE
