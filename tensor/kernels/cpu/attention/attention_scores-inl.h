// What a shape makes of the products of queries and keys before the softmax: scale, terms of distances, cap.
//
// Plain calls are compiled apart from the others, so that they do not pay for what they do not have. A thread copies
// the terms of a head of a sequence to rows of its own, in f32 with the buckets side by side; their gradients are
// summed in such rows as well, key by key for each query, and never by two threads.

#if defined(TEMPER_ATTENTION_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_ATTENTION_SCORES_INL_H_
#undef TEMPER_ATTENTION_SCORES_INL_H_
#else
#define TEMPER_ATTENTION_SCORES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <vector>

#include "hwy/contrib/math/math-inl.h"
#include "tensor/kernels/cpu/attention/attention_tiles-inl.h"
#include "tensor/kernels/cpu/attention/shared_terms.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

/// Rows of a head's terms, or of their gradients: those of a sequence's tokens, or the one that all share.
class TermRows {
 public:
  TermRows(bool present, bool shared, std::int64_t most_rows, std::int64_t count)
      : shared_(shared),
        count_(count),
        pitch_(pitch_of_buckets(count)),
        room_(present ? (shared ? 1 : most_rows) * pitch_ : 0) {}

  [[nodiscard]] float* row(std::int64_t i) const { return room_.data() + (shared_ ? 0 : i * pitch_); }
  /// From one row to the next.
  [[nodiscard]] std::int64_t pitch() const { return shared_ ? 0 : pitch_; }

  void take(const TermsOf<const void>& terms, std::int64_t first, std::int64_t rows, std::int64_t head) {
    for (std::int64_t i = 0; i < (shared_ ? 1 : rows); ++i) {
      const void* from = terms.at(first + i, head);
      if (terms.type == DType::bf16) {
        copy(static_cast<const BFloat16*>(from), terms.bucket_stride, row(i));
      } else {
        copy(static_cast<const float*>(from), terms.bucket_stride, row(i));
      }
    }
  }
  void clear(std::int64_t rows) { std::fill_n(room_.data(), (shared_ ? 1 : rows) * pitch_, 0.0F); }
  /// Of tokens' own rows.
  void deliver(const TermsOf<void>& gradients, std::int64_t first, std::int64_t rows, std::int64_t head,
               bool accumulate) const {
    for (std::int64_t i = 0; i < rows; ++i) {
      void* to = gradients.at(first + i, head);
      if (gradients.type == DType::bf16) {
        write(row(i), static_cast<BFloat16*>(to), gradients.bucket_stride, accumulate);
      } else {
        write(row(i), static_cast<float*>(to), gradients.bucket_stride, accumulate);
      }
    }
  }
  void deliver_shared(float* to) const { std::copy_n(room_.data(), count_, to); }

 private:
  /// An odd number of cache lines, so that rows below each other do not all fall into few sets of a cache.
  static std::int64_t pitch_of_buckets(std::int64_t count) { return ((count + 15) / 16 | 1) * 16; }

  template <typename T>
  void copy(const T* from, std::int64_t stride, float* to) const {
    if (stride == 1) {
      convert_rows(from, 0, 1, count_, to, 0);
      return;
    }
    for (std::int64_t b = 0; b < count_; ++b) {
      to[b] = as_float(from[b * stride]);
    }
  }
  template <typename T>
  void write(const float* from, T* to, std::int64_t stride, bool accumulate) const {
    if (stride == 1 && !accumulate) {
      convert_rows(from, 0, 1, count_, to, 0);
      return;
    }
    for (std::int64_t b = 0; b < count_; ++b) {
      const float before = accumulate ? as_float(to[b * stride]) : 0.0F;
      assign(from[b] + before, to[b * stride]);
    }
  }
  static float as_float(float x) { return x; }
  static float as_float(BFloat16 x) { return to_float(x); }
  static void assign(float x, float& to) { to = x; }
  static void assign(float x, BFloat16& to) { to = to_bfloat16(x); }

  bool shared_;
  std::int64_t count_;
  std::int64_t pitch_;
  Scratch room_;
};

/// A product by the scale is all that there is to a score.
class PlainScores {
 public:
  using Keys = EveryKey;

  PlainScores(const PackedSequences& /*sequences*/, const AttentionShape& shape, const RelativeTerms& /*relative*/,
              const RelativeGradients& /*gradients*/, const SharedTermSums& /*sums*/)
      : scale_(shape.scale) {}

  void begin(const HeadOfSequence& /*part*/) {}
  void end(const HeadOfSequence& /*part*/) {}
  [[nodiscard]] bool wants_key_gradients() const { return false; }
  /// What is left to multiply them by.
  HWY_INLINE float finish(float* /*scores*/, std::int64_t /*stride*/, const HeadOfSequence& /*part*/,
                          std::int64_t /*first_query*/, std::int64_t /*queries*/, std::int64_t /*first_key*/,
                          std::int64_t /*keys*/) {
    return scale_;
  }
  [[nodiscard]] float slope() const { return scale_; }
  [[nodiscard]] float soft_cap() const { return 0.0F; }
  [[nodiscard]] const EveryKey& seen() const { return seen_; }
  void add_gradients(const float* /*ds*/, std::int64_t /*stride*/, const HeadOfSequence& /*part*/,
                     std::int64_t /*first_query*/, std::int64_t /*queries*/, std::int64_t /*first_key*/) {}

 private:
  float scale_;
  EveryKey seen_;
};

class ShapedScores {
 public:
  using Keys = SomeKeys;

  /// `gradients` without data in forward.
  ShapedScores(const PackedSequences& sequences, const AttentionShape& shape, const RelativeTerms& relative,
               const RelativeGradients& gradients, const SharedTermSums& sums)
      : shape_(shape),
        relative_(relative),
        gradients_(gradients),
        sums_(sums),
        query_(relative.query.data != nullptr, relative.query.is_shared(), sequences.longest, relative.count),
        key_(relative.key.data != nullptr, relative.key.is_shared(), sequences.longest, relative.count),
        d_query_(gradients.query.data != nullptr, gradients.query.is_shared(), sequences.longest, relative.count),
        d_key_(gradients.key.data != nullptr, gradients.key.is_shared(), sequences.longest, relative.count),
        longest_(sequences.longest) {
    if (!relative.any() || longest_ == 0) {
      return;
    }
    // Beyond the last one stands what whole vectors may read.
    buckets_.resize(static_cast<std::size_t>(2 * longest_ - 1) + hn::MaxLanes(Floats()));
    for (std::int64_t distance = 1 - longest_; distance < longest_; ++distance) {
      buckets_[static_cast<std::size_t>(longest_ - 1 - distance)] =
          relative.buckets[distance + relative.reach - 1] - static_cast<std::int32_t>(relative.first_bucket);
    }
  }

  void begin(const HeadOfSequence& part) {
    if (relative_.query.data != nullptr) {
      query_.take(relative_.query, part.query_tokens.start, part.query_tokens.count, part.head);
    }
    if (relative_.key.data != nullptr) {
      key_.take(relative_.key, part.start, part.length, part.head);
    }
    if (gradients_.query.data != nullptr) {
      d_query_.clear(part.query_tokens.count);
    }
    if (gradients_.key.data != nullptr) {
      d_key_.clear(part.length);
    }
  }

  void end(const HeadOfSequence& part) {
    const std::int64_t sum = (part.sequence * shape_.query_heads + part.head) * relative_.count;
    if (gradients_.query.data != nullptr) {
      if (gradients_.query.is_shared()) {
        d_query_.deliver_shared(sums_.query + sum);
      } else {
        d_query_.deliver(gradients_.query, part.query_tokens.start, part.query_tokens.count, part.head,
                         gradients_.accumulate_query);
      }
    }
    if (gradients_.key.data != nullptr) {
      if (gradients_.key.is_shared()) {
        d_key_.deliver_shared(sums_.key + sum);
      } else {
        d_key_.deliver(gradients_.key, part.start, part.length, part.head, gradients_.accumulate_key);
      }
    }
  }

  [[nodiscard]] bool wants_key_gradients() const { return gradients_.key.data != nullptr; }

  HWY_INLINE float finish(float* scores, std::int64_t stride, const HeadOfSequence& part, std::int64_t first_query,
                          std::int64_t queries, std::int64_t first_key, std::int64_t keys) {
    seen_.take(shape_, part.query_tokens, first_query, queries, first_key, keys, part.length);
    if (!relative_.any() && shape_.soft_cap == 0.0F) {
      return shape_.scale;
    }
    const Floats d;
    for (std::int64_t i = 0; i < queries; ++i) {
      float* row = scores + i * stride;
      if (relative_.any()) {
        add_terms(row, part, first_query + i, first_key, keys);
      } else {
        const auto multiply = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
          access.store(hn::Mul(access.load(d, row + j), hn::Set(d, shape_.scale)), d, row + j);
        };
        for_each_vector(d, keys, multiply);
      }
      if (shape_.soft_cap != 0.0F) {
        const auto cap = [&](auto access, std::int64_t j) TEMPER_VECTOR_LAMBDA {
          const auto part_of_cap = hn::Mul(access.load(d, row + j), hn::Set(d, 1.0F / shape_.soft_cap));
          access.store(hn::Mul(hn::Tanh(d, part_of_cap), hn::Set(d, shape_.soft_cap)), d, row + j);
        };
        for_each_vector(d, keys, cap);
      }
    }
    return 1.0F;
  }
  [[nodiscard]] float slope() const { return shape_.scale; }
  [[nodiscard]] float soft_cap() const { return shape_.soft_cap; }
  [[nodiscard]] const SomeKeys& seen() const { return seen_; }

  /// ds as differentiate_tile() left it, of the tile that finish() was last called for.
  void add_gradients(const float* ds, std::int64_t stride, const HeadOfSequence& part, std::int64_t first_query,
                     std::int64_t queries, std::int64_t first_key) {
    const bool of_query = gradients_.query.data != nullptr;
    const bool of_key = gradients_.key.data != nullptr;
    if (!of_query && !of_key) {
      return;
    }
    const float factor = relative_.scale / shape_.scale;
    for (std::int64_t i = 0; i < queries; ++i) {
      const std::int32_t* buckets = buckets_of(part, first_query + i, first_key);
      const float* row = ds + i * stride;
      if (of_query) {
        float* to = d_query_.row(first_query + i);
        for (std::int64_t j = seen_.begin(i); j < seen_.end(i); ++j) {
          to[buckets[j]] += factor * row[j];
        }
      }
      if (of_key) {
        float* to = d_key_.row(first_key);
        for (std::int64_t j = seen_.begin(i); j < seen_.end(i); ++j) {
          to[j * d_key_.pitch() + buckets[j]] += factor * row[j];
        }
      }
    }
  }

 private:
  /// Of a query and the keys from `first_key` on.
  [[nodiscard]] const std::int32_t* buckets_of(const HeadOfSequence& part, std::int64_t query,
                                               std::int64_t first_key) const {
    return buckets_.data() + (longest_ - 1 - part.query_tokens.position(query) + first_key);
  }

  /// Products of a query and a tile's keys become scale * product + terms.
  HWY_INLINE void add_terms(float* row, const HeadOfSequence& part, std::int64_t query, std::int64_t first_key,
                            std::int64_t keys) const {
    const Floats d;
    const hn::RebindToSigned<Floats> di;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const std::int32_t* buckets = buckets_of(part, query, first_key);
    const float* of_query = query_.row(query);
    const auto pitches = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<std::int32_t>(key_.pitch())));
    for (std::int64_t j = 0; j < keys; j += lanes) {
      const auto inside = hn::FirstN(di, static_cast<std::size_t>(std::min(keys - j, lanes)));
      const auto bucket = hn::IfThenElseZero(inside, hn::LoadU(di, buckets + j));
      auto terms = hn::Zero(d);
      if (relative_.query.data != nullptr) {
        terms = hn::GatherIndex(d, of_query, bucket);
      }
      if (relative_.key.data != nullptr) {
        const auto place = hn::IfThenElseZero(inside, hn::Add(pitches, bucket));
        terms = hn::Add(terms, hn::GatherIndex(d, key_.row(first_key + j), place));
      }
      const auto scaled = hn::Mul(hn::LoadU(d, row + j), hn::Set(d, shape_.scale));
      hn::StoreU(hn::MulAdd(terms, hn::Set(d, relative_.scale), scaled), d, row + j);
    }
  }

  const AttentionShape& shape_;
  const RelativeTerms& relative_;
  RelativeGradients gradients_;
  SharedTermSums sums_;
  TermRows query_;
  TermRows key_;
  TermRows d_query_;
  TermRows d_key_;
  std::int64_t longest_;
  /// By distance, longest - 1 first, so that those of a query and neighbouring keys ascend.
  std::vector<std::int32_t> buckets_;
  SomeKeys seen_;
};

}  // namespace
}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
