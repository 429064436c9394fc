// What attention in tiles consists of beside its products: the running softmax, its gradient, dropout.

#if defined(TEMPER_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_ATTENTION_TILES_INL_H_
#undef TEMPER_ATTENTION_TILES_INL_H_
#else
#define TEMPER_ATTENTION_TILES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "hwy/contrib/math/math-inl.h"
#include "tensor/kernels/cpu/attention/attention_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

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

  /// `head` is the first of those that share keys. first_key is a multiple of 8.
  void draw(std::uint32_t example, std::int64_t head, const Queries& query_tokens, std::int64_t first_query,
            std::int64_t queries, std::int64_t first_key, std::int64_t keys) {
    row_blocks_ = (keys + 7) / 8;
    std::size_t place = 0;
    for (std::int64_t i = 0; i < queries; ++i) {
      for (std::int64_t block = 0; block < row_blocks_; ++block, ++place) {
        blocks_[place] = static_cast<std::uint32_t>(first_key / 8 + block);
        positions_[place] = query_tokens.position(first_query + i);
      }
    }
    // A head is part of the counter.
    const std::int64_t rows_at_once = query_tokens.group == 1 ? queries : 1;
    for (std::int64_t i = 0; i < queries; i += rows_at_once) {
      const std::int64_t first = i * row_blocks_;
      const auto head_of_row = static_cast<std::uint32_t>(head + (first_query + i) % query_tokens.group);
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

/// Which keys of a tile its queries see: all of them.
struct EveryKey {
  static constexpr bool kEvery = true;

  HWY_INLINE FloatVector seen_or(Floats /*d*/, FloatVector v, FloatVector /*otherwise*/, std::int64_t /*query*/,
                                 std::int64_t /*key*/) const {
    return v;
  }
  HWY_INLINE FloatVector seen_or_zero(Floats /*d*/, FloatVector v, std::int64_t /*query*/, std::int64_t /*key*/) const {
    return v;
  }
};

/// Each query its own range of them.
class SomeKeys {
 public:
  static constexpr bool kEvery = false;

  void take(const AttentionShape& shape, const Queries& query_tokens, std::int64_t first_query, std::int64_t queries,
            std::int64_t first_key, std::int64_t keys, std::int64_t length) {
    for (std::int64_t i = 0; i < queries; ++i) {
      const std::int64_t position = query_tokens.position(first_query + i);
      begin_[i] = std::clamp<std::int64_t>(shape.first_key(position) - first_key, 0, keys);
      end_[i] = std::clamp<std::int64_t>(shape.end_key(position, length) - first_key, begin_[i], keys);
    }
  }
  [[nodiscard]] std::int64_t begin(std::int64_t query) const { return begin_[query]; }
  [[nodiscard]] std::int64_t end(std::int64_t query) const { return end_[query]; }

  /// Elements of the tile's row from `key` on, with `otherwise` for those that the query does not see.
  HWY_INLINE FloatVector seen_or(Floats d, FloatVector v, FloatVector otherwise, std::int64_t query,
                                 std::int64_t key) const {
    return hn::IfThenElse(seen(d, query, key), v, otherwise);
  }
  HWY_INLINE FloatVector seen_or_zero(Floats d, FloatVector v, std::int64_t query, std::int64_t key) const {
    return hn::IfThenElseZero(seen(d, query, key), v);
  }

 private:
  HWY_INLINE hn::Mask<Floats> seen(Floats d, std::int64_t query, std::int64_t key) const {
    const auto place = hn::Iota(d, static_cast<float>(key));
    return hn::And(hn::Ge(place, hn::Set(d, static_cast<float>(begin_[query]))),
                   hn::Lt(place, hn::Set(d, static_cast<float>(end_[query]))));
  }

  std::int64_t begin_[kTile];
  std::int64_t end_[kTile];
};

/// What the softmax of a tile's queries has seen so far.
struct RunningSoftmax {
  HWY_ALIGN float maxima[kTile];
  HWY_ALIGN float sums[kTile];
  HWY_ALIGN float rescale[kTile];  ///< by what the last tile changed the scale of what came before it
};

/// scores [queries, keys] become e^(scale * score - maximum so far), and zero where the key is not seen; scale > 0.
template <class Keys>
HWY_INLINE void softmax_tile(float* scores, std::int64_t stride, std::int64_t queries, std::int64_t keys, float scale,
                             bool first, const Keys& seen, RunningSoftmax& running) {
  // The maximum of a query that has seen nothing yet: it vanishes beside any other.
  constexpr float kNothing = -1e30F;
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
      const auto score = seen.seen_or(d, hn::LoadU(d, row + j), lowest, i, j);
      largest = hn::Max(largest, access.valid_or(d, score, lowest));
    };
    for_each_vector(d, keys, find_largest);
    float scaled = hn::GetLane(hn::MaxOfLanes(d, largest)) * scale;
    if constexpr (!Keys::kEvery) {
      scaled = std::max(scaled, kNothing);
    }
    maxima[i] = first ? scaled : std::max(running.maxima[i], scaled);
  }
  for (std::int64_t i = 0; i < queries; ++i) {
    float* row = scores + i * stride;
    const auto largest = hn::Set(d, maxima[i]);
    auto sum = hn::Zero(d);
    const auto exponentiate = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      const auto e = seen.seen_or_zero(d, exponential(d, hn::MulSub(hn::LoadU(d, row + j), scales, largest)), i, j);
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
  float* p;                 ///< in: scores before `scale`; out: the probabilities, dropped and scaled
  float* ds;                ///< in: the gradient of the probabilities before dropout; out: of the scores
  std::int64_t stride;      ///< of both
  const float* logarithms;  ///< [queries], of the sums of exponentials
  const float* products;    ///< [queries], of a query's output with its gradient
};

/// What `scale` is to the scores, `slope` is to their gradients. With a cap c the scores are s = c tanh(...), and their
/// gradients are multiplied by 1 - (s / c)^2; 0: no cap.
template <class Keys>
HWY_INLINE void differentiate_tile(const TileGradient& tile, std::int64_t queries, std::int64_t keys, float scale,
                                   float slope, float soft_cap, const Keys& seen, const TileDropout& mask) {
  const Floats d;
  const auto scales = hn::Set(d, scale);
  const auto slopes = hn::Set(d, slope);
  for (std::int64_t i = 0; i < queries; ++i) {
    const auto logarithm = hn::Set(d, tile.logarithms[i]);
    const auto product = hn::Set(d, tile.products[i]);
    for (std::int64_t j = 0; j < keys; j += static_cast<std::int64_t>(hn::Lanes(d))) {
      float* p_at = tile.p + i * tile.stride + j;
      float* ds_at = tile.ds + i * tile.stride + j;
      const auto score = hn::LoadU(d, p_at);
      const auto probability = seen.seen_or_zero(d, exponential(d, hn::MulSub(score, scales, logarithm)), i, j);
      auto d_probability = hn::LoadU(d, ds_at);
      auto kept = probability;
      if (mask.active()) {
        d_probability = mask.apply(d_probability, i, j);
        kept = mask.apply(probability, i, j);
      }
      hn::StoreU(kept, d, p_at);
      auto d_score = hn::Mul(hn::Mul(probability, slopes), hn::Sub(d_probability, product));
      if constexpr (!Keys::kEvery) {
        if (soft_cap > 0.0F) {
          const auto capped = hn::Mul(score, hn::Set(d, 1.0F / soft_cap));
          d_score = hn::Mul(d_score, hn::NegMulAdd(capped, capped, hn::Set(d, 1.0F)));
        }
      }
      hn::StoreU(d_score, d, ds_at);
    }
  }
}

/// products[i] = out[i] . d_out[i].
template <typename T>
HWY_INLINE void multiply_outputs(const GroupRows<const T>& out, const GroupRows<const T>& d_out, std::int64_t rows,
                                 std::int64_t width, float* products) {
  const Floats d;
  for (std::int64_t i = 0; i < rows; ++i) {
    const T* a = out.row(i);
    const T* b = d_out.row(i);
    auto sum = hn::Zero(d);
    const auto multiply = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
      sum = hn::MulAdd(access.load(d, a + j), access.load(d, b + j), sum);
    };
    for_each_vector(d, width, multiply);
    products[i] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

}  // namespace
}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
