// Every product sums over pairs: of columns of a head (scores), of keys (outputs, gradients of queries) or of queries
// (gradients of keys and values). So rows are copied with padding to whole pairs, and operands on the right are laid
// out with the pairs in the lanes: rows two by two, or transposed with two columns to a word. Probabilities and
// gradients of scores are rounded to bf16 before they are multiplied, as the activations are; sums stay f32.
#include "tensor/kernels/cpu/attention/attention_pairs.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tensor/kernels/cpu/matmul/bfloat16_pairs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/attention/attention_pairs.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/attention/attention_scores-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

/// A word holds two elements; scratch is counted in words.
constexpr std::int64_t kWord = sizeof(float);

/// The columns of a head in whole vectors of the product, which are of 16 lanes.
HWY_INLINE std::int64_t pitch_of(std::int64_t width) { return (width + 15) / 16 * 16; }
HWY_INLINE std::int64_t lanes_of(std::int64_t n) { return (n + 15) / 16 * 16; }
HWY_INLINE std::int64_t pairs_of(std::int64_t n) { return (n + 1) / 2; }

/// Rows of one head of bf16, `pitch` elements each; zero beyond the head's width, and an odd last row has a row of
/// zeros behind it.
class PaddedRows {
 public:
  PaddedRows(std::int64_t most_rows, std::int64_t width)
      : width_(width), pitch_(pitch_of(width)), room_((most_rows + 2) * pitch_ / 2) {}

  /// Rows [first, first + rows).
  void take(const GroupRows<const BFloat16>& x, std::int64_t first, std::int64_t rows) {
    // Of a known number, so that nothing is called for a row.
    constexpr std::int64_t kAtOnce = 16;
    for (std::int64_t i = 0; i < rows; ++i) {
      const BFloat16* from = x.row(first + i);
      std::int64_t j = 0;
      for (; j + kAtOnce <= width_; j += kAtOnce) {
        std::memcpy(row(i) + j, from + j, kAtOnce * sizeof(BFloat16));
      }
      std::copy(from + j, from + width_, row(i) + j);
    }
    if (rows % 2 != 0) {
      std::fill_n(row(rows), pitch_, BFloat16());
    }
  }
  [[nodiscard]] BFloat16* row(std::int64_t i) const { return reinterpret_cast<BFloat16*>(room_.data()) + i * pitch_; }
  [[nodiscard]] PairOperand from_row(std::int64_t i) const { return {row(i), 2 * pitch_, kWord}; }
  [[nodiscard]] std::int64_t pitch() const { return pitch_; }

  /// to [pairs_of(rows), pitch] words: rows 2 p and 2 p + 1 of each column.
  void pair_up(std::int64_t rows, float* to) const {
    const hn::ScalableTag<std::uint32_t> du;
    const hn::Rebind<std::uint16_t, decltype(du)> halves;
    for (std::int64_t p = 0; p < pairs_of(rows); ++p) {
      const std::uint16_t* lower = halves_of(row(2 * p));
      const std::uint16_t* upper = halves_of(row(2 * p + 1));
      auto* words = reinterpret_cast<std::uint32_t*>(to) + p * pitch_;
      for (std::int64_t j = 0; j < pitch_; j += static_cast<std::int64_t>(hn::Lanes(du))) {
        const auto low = hn::PromoteTo(du, hn::LoadU(halves, lower + j));
        const auto high = hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(halves, upper + j)));
        hn::StoreU(hn::Or(low, high), du, words + j);
      }
    }
  }
  /// Tile by tile: the tile of rows from `first` on lies at to + first * pitch / 2, [pitch / 2, lanes_of(rows)] words:
  /// columns 2 p and 2 p + 1 of each row.
  void transpose_pairs(std::int64_t rows, float* to) const {
    for (std::int64_t first = 0; first < rows; first += kTile) {
      const std::int64_t count = std::min(kTile, rows - first);
      transpose(room_.data() + first * pitch_ / 2, pitch_ / 2, count, pitch_ / 2, to + first * pitch_ / 2,
                lanes_of(count));
    }
  }

 private:
  std::int64_t width_;
  std::int64_t pitch_;
  Scratch room_;
};

/// x [rows, columns], of which `mask` drops some if it is active, rounded to bf16, row by row; the element behind an
/// odd last column is zero.
HWY_INLINE void round_rows(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                           const TileDropout& mask, BFloat16* to, std::int64_t to_stride) {
  const Floats d;
  const WholeVector access;
  const bool drops = mask.active();
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; j += static_cast<std::int64_t>(hn::Lanes(d))) {
      auto v = hn::LoadU(d, x + i * stride + j);
      if (drops) {
        v = mask.apply(v, i, j);
      }
      access.store(v, d, to + i * to_stride + j);
    }
    if (columns % 2 != 0) {
      to[i * to_stride + columns] = BFloat16();
    }
  }
}

/// x [rows, columns] rounded to bf16, rows two by two: to [pairs_of(rows), stride] words.
HWY_INLINE void round_row_pairs(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                                float* to) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> du;
  for (std::int64_t p = 0; p < pairs_of(rows); ++p) {
    const float* lower = x + 2 * p * stride;
    const bool paired = 2 * p + 1 < rows;
    for (std::int64_t j = 0; j < columns; j += static_cast<std::int64_t>(hn::Lanes(d))) {
      auto word = hn::PromoteTo(du, narrowed(d, hn::LoadU(d, lower + j)));
      if (paired) {
        const auto high = hn::PromoteTo(du, narrowed(d, hn::LoadU(d, lower + stride + j)));
        word = hn::Or(word, hn::ShiftLeft<16>(high));
      }
      hn::StoreU(hn::BitCast(d, word), d, to + p * stride + j);
    }
  }
}

/// Rows of f32 rounded to where they belong.
HWY_INLINE void deliver_rows(const float* x, std::int64_t pitch, std::int64_t rows, std::int64_t width,
                             const GroupRows<BFloat16>& to, std::int64_t first) {
  for (std::int64_t i = 0; i < rows; ++i) {
    convert_rows(x + i * pitch, 0, 1, width, to.row(first + i), 0);
  }
}

template <class Scores>
void forward_of_kind(const calls::AttentionForward& call, std::int64_t member, std::int64_t members) {
  const PackedSequences& sequences = call.sequences;
  const AttentionShape& shape = call.shape;
  const auto q = call.q.as<BFloat16>();
  const auto k = call.k.as<BFloat16>();
  const auto v = call.v.as<BFloat16>();
  const auto out = call.out.as<BFloat16>();
  const std::int64_t group = shape.group();
  const std::int64_t width = shape.head_width;
  const std::int64_t value_width = shape.value_width;
  const std::int64_t pitch = pitch_of(width);
  const std::int64_t value_pitch = pitch_of(value_width);
  const std::int64_t longest = lanes_of(sequences.longest);
  PaddedRows queries_in(kTile, width);
  PaddedRows keys_in(longest, width);
  PaddedRows values_in(longest, value_width);
  const Scratch keys_transposed(longest * pitch / 2);
  const Scratch value_pairs(pairs_of(longest) * value_pitch);
  const Scratch result_room(kTile * value_pitch);
  const Scratch scores_room(kTile * kTile);
  const Scratch rounded_room(kTile * (kTile + 2) / 2);
  float* scores = scores_room.data();
  float* result = result_room.data();
  auto* rounded = reinterpret_cast<BFloat16*>(rounded_room.data());
  RunningSoftmax running{};
  TileDropout mask(call.dropout, kTile);
  Scores shaped(sequences, shape, call.relative, {}, {});

  for (std::int64_t pair = member; pair < sequences.sequences * shape.key_heads; pair += members) {
    const HeadOfSequence part = head_of(sequences, shape, pair);
    const Queries& query_tokens = part.query_tokens;
    const std::int64_t length = part.length;
    if (query_tokens.count == 0 || length < kLeastTokensInPairs) {
      continue;
    }
    const GroupRows<const BFloat16> all_queries(q, query_tokens.start, part.key_head, group, width);
    const GroupRows<BFloat16> all_results(out, query_tokens.start, part.key_head, group, value_width);
    keys_in.take(GroupRows<const BFloat16>(k, part.start, part.key_head, 1, width), 0, length);
    keys_in.transpose_pairs(length, keys_transposed.data());
    values_in.take(GroupRows<const BFloat16>(v, part.start, part.key_head, 1, value_width), 0, length);
    values_in.pair_up(length, value_pairs.data());
    shaped.begin(part);

    for (std::int64_t first_query = 0; first_query < query_tokens.count; first_query += kTile) {
      const std::int64_t queries = std::min(kTile, query_tokens.count - first_query);
      queries_in.take(all_queries, first_query, queries);
      const KeyRange seen = keys_seen(shape, query_tokens, first_query, queries, length);
      for (std::int64_t first_key = seen.first_tile(); first_key < seen.end; first_key += kTile) {
        const std::int64_t keys = std::min(kTile, length - first_key);
        const std::int64_t stride = lanes_of(keys);
        const bool first = first_key == seen.first_tile();
        multiply_pairs(queries_in.from_row(0), keys_transposed.data() + first_key * pitch / 2, stride, queries, stride,
                       pitch / 2, scores, stride, false);
        const float scale = shaped.finish(scores, stride, part, first_query, queries, first_key, keys);
        softmax_tile(scores, stride, queries, keys, scale, first, shaped.seen(), running);
        if (mask.active()) {
          mask.draw(sequences.examples[part.sequence], part.head, query_tokens, first_query, queries, first_key, keys);
        }
        round_rows(scores, stride, queries, keys, mask, rounded, stride + 2);
        if (!first) {
          multiply_rows(result, value_pitch, queries, value_pitch, running.rescale);
        }
        multiply_pairs({rounded, 2 * (stride + 2), kWord}, value_pairs.data() + first_key / 2 * value_pitch,
                       value_pitch, queries, value_pitch, pairs_of(keys), result, value_pitch, !first);
      }
      for (std::int64_t i = 0; i < queries; ++i) {
        running.rescale[i] = 1.0F / running.sums[i];
      }
      multiply_rows(result, value_pitch, queries, value_pitch, running.rescale);
      deliver_rows(result, value_pitch, queries, value_width, all_results, first_query);
      if (call.log_sum_exp != nullptr) {
        write_log_sum_exp(running, queries, call.log_sum_exp + sums_of(part, q.rows) + first_query);
      }
    }
  }
}

template <class Scores>
void backward_of_kind(const calls::AttentionBackward& call, const SharedTermSums& sums, std::int64_t member,
                      std::int64_t members) {
  const PackedSequences& sequences = call.sequences;
  const AttentionShape& shape = call.shape;
  const auto q = call.q.as<BFloat16>();
  const auto k = call.k.as<BFloat16>();
  const auto v = call.v.as<BFloat16>();
  const auto out = call.out.as<BFloat16>();
  const auto d_out = call.d_out.as<BFloat16>();
  const auto dq = call.dq.as<BFloat16>();
  const auto dk = call.dk.as<BFloat16>();
  const auto dv = call.dv.as<BFloat16>();
  const std::int64_t group = shape.group();
  const std::int64_t width = shape.head_width;
  const std::int64_t value_width = shape.value_width;
  const std::int64_t pitch = pitch_of(width);
  const std::int64_t value_pitch = pitch_of(value_width);
  const std::int64_t longest = lanes_of(sequences.longest);
  const std::int64_t most_queries = lanes_of(sequences.longest * group);
  PaddedRows queries_in(most_queries, width);
  PaddedRows keys_in(longest, width);
  PaddedRows values_in(longest, value_width);
  PaddedRows d_out_in(most_queries, value_width);
  const Scratch keys_transposed(longest * pitch / 2);
  const Scratch values_transposed(longest * value_pitch / 2);
  const Scratch query_pairs(pairs_of(most_queries) * pitch);
  const Scratch key_pairs(pairs_of(longest) * pitch);
  const Scratch d_out_pairs(pairs_of(most_queries) * value_pitch);
  const Scratch d_queries(most_queries * pitch);
  const Scratch d_keys(longest * pitch);
  const Scratch d_values(longest * value_pitch);
  const Scratch products(most_queries);
  const Scratch p_room(kTile * kTile);
  const Scratch ds_room(kTile * kTile);
  const Scratch p_pairs(kTile / 2 * kTile);
  const Scratch ds_pairs(kTile / 2 * kTile);
  const Scratch rounded_room(kTile * (kTile + 2) / 2);
  float* p = p_room.data();
  float* ds = ds_room.data();
  auto* rounded = reinterpret_cast<BFloat16*>(rounded_room.data());
  TileDropout mask(call.dropout, kTile);
  const TileDropout nothing({}, kTile);
  Scores shaped(sequences, shape, call.relative, call.d_relative, sums);

  for (std::int64_t pair = member; pair < sequences.sequences * shape.key_heads; pair += members) {
    const HeadOfSequence part = head_of(sequences, shape, pair);
    const Queries& query_tokens = part.query_tokens;
    const std::int64_t length = part.length;
    if (length < kLeastTokensInPairs) {
      continue;
    }
    const float* logarithms = call.log_sum_exp + sums_of(part, q.rows);
    const GroupRows<const BFloat16> all_d_outs(d_out, query_tokens.start, part.key_head, group, value_width);
    queries_in.take(GroupRows<const BFloat16>(q, query_tokens.start, part.key_head, group, width), 0,
                    query_tokens.count);
    queries_in.pair_up(query_tokens.count, query_pairs.data());
    keys_in.take(GroupRows<const BFloat16>(k, part.start, part.key_head, 1, width), 0, length);
    keys_in.transpose_pairs(length, keys_transposed.data());
    keys_in.pair_up(length, key_pairs.data());
    values_in.take(GroupRows<const BFloat16>(v, part.start, part.key_head, 1, value_width), 0, length);
    values_in.transpose_pairs(length, values_transposed.data());
    d_out_in.take(all_d_outs, 0, query_tokens.count);
    d_out_in.pair_up(query_tokens.count, d_out_pairs.data());
    multiply_outputs(GroupRows<const BFloat16>(out, query_tokens.start, part.key_head, group, value_width), all_d_outs,
                     query_tokens.count, value_width, products.data());
    shaped.begin(part);

    for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
      const std::int64_t keys = std::min(kTile, length - first_key);
      const std::int64_t stride = lanes_of(keys);
      bool was_seen = false;
      for (std::int64_t first_query = 0; first_query < query_tokens.count; first_query += kTile) {
        const std::int64_t queries = std::min(kTile, query_tokens.count - first_query);
        const KeyRange seen = keys_seen(shape, query_tokens, first_query, queries, length);
        if (!seen.meets_tile(first_key)) {
          continue;
        }
        multiply_pairs(queries_in.from_row(first_query), keys_transposed.data() + first_key * pitch / 2, stride,
                       queries, stride, pitch / 2, p, stride, false);
        multiply_pairs(d_out_in.from_row(first_query), values_transposed.data() + first_key * value_pitch / 2, stride,
                       queries, stride, value_pitch / 2, ds, stride, false);
        const float scale = shaped.finish(p, stride, part, first_query, queries, first_key, keys);
        if (mask.active()) {
          mask.draw(sequences.examples[part.sequence], part.head, query_tokens, first_query, queries, first_key, keys);
        }
        differentiate_tile({p, ds, stride, logarithms + first_query, products.data() + first_query}, queries, keys,
                           scale, shaped.slope(), shaped.soft_cap(), shaped.seen(), mask);
        shaped.add_gradients(ds, stride, part, first_query, queries, first_key);
        round_row_pairs(p, stride, queries, keys, p_pairs.data());
        round_row_pairs(ds, stride, queries, keys, ds_pairs.data());
        round_rows(ds, stride, queries, keys, nothing, rounded, stride + 2);
        multiply_pairs({p_pairs.data(), kWord, stride * kWord}, d_out_pairs.data() + first_query / 2 * value_pitch,
                       value_pitch, keys, value_pitch, pairs_of(queries), d_values.data() + first_key * value_pitch,
                       value_pitch, was_seen);
        multiply_pairs({ds_pairs.data(), kWord, stride * kWord}, query_pairs.data() + first_query / 2 * pitch, pitch,
                       keys, pitch, pairs_of(queries), d_keys.data() + first_key * pitch, pitch, was_seen);
        multiply_pairs({rounded, 2 * (stride + 2), kWord}, key_pairs.data() + first_key / 2 * pitch, pitch, queries,
                       pitch, pairs_of(keys), d_queries.data() + first_query * pitch, pitch,
                       first_key != seen.first_tile());
        was_seen = true;
      }
      if (!was_seen) {
        std::fill_n(d_keys.data() + first_key * pitch, keys * pitch, 0.0F);
        std::fill_n(d_values.data() + first_key * value_pitch, keys * value_pitch, 0.0F);
      }
    }
    deliver_rows(d_queries.data(), pitch, query_tokens.count, width,
                 GroupRows<BFloat16>(dq, query_tokens.start, part.key_head, group, width), 0);
    deliver_rows(d_keys.data(), pitch, length, width, GroupRows<BFloat16>(dk, part.start, part.key_head, 1, width), 0);
    deliver_rows(d_values.data(), value_pitch, length, value_width,
                 GroupRows<BFloat16>(dv, part.start, part.key_head, 1, value_width), 0);
    shaped.end(part);
  }
}

}  // namespace

void forward_in_pairs(const calls::AttentionForward& call, std::int64_t member, std::int64_t members) {
  is_shaped(call.shape, call.relative) ? forward_of_kind<ShapedScores>(call, member, members)
                                       : forward_of_kind<PlainScores>(call, member, members);
}

void backward_in_pairs(const calls::AttentionBackward& call, const SharedTermSums& sums, std::int64_t member,
                       std::int64_t members) {
  is_shaped(call.shape, call.relative) ? backward_of_kind<ShapedScores>(call, sums, member, members)
                                       : backward_of_kind<PlainScores>(call, sums, member, members);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(forward_in_pairs);
HWY_EXPORT(backward_in_pairs);

void attention_forward_in_pairs(const calls::AttentionForward& call, std::int64_t member, std::int64_t members) {
  HWY_DYNAMIC_DISPATCH(forward_in_pairs)(call, member, members);
}

void attention_backward_in_pairs(const calls::AttentionBackward& call, const SharedTermSums& sums, std::int64_t member,
                                 std::int64_t members) {
  HWY_DYNAMIC_DISPATCH(backward_in_pairs)(call, sums, member, members);
}

}  // namespace temper
#endif  // HWY_ONCE
