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
#include "tensor/kernels/cpu/attention/attention_tiles-inl.h"

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

  void take(const BFloat16* x, std::int64_t stride, std::int64_t rows) {
    // Of a known number, so that nothing is called for a row.
    constexpr std::int64_t kAtOnce = 16;
    for (std::int64_t i = 0; i < rows; ++i) {
      const BFloat16* from = x + i * stride;
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

}  // namespace

void forward_in_pairs(ConstRows q_rows, ConstRows k_rows, ConstRows v_rows, const PackedSequences& sequences,
                      std::int64_t heads, float scale, const Dropout& dropout, Rows out_rows, float* log_sum_exp,
                      std::int64_t member, std::int64_t members) {
  const auto q = q_rows.as<BFloat16>();
  const auto k = k_rows.as<BFloat16>();
  const auto v = v_rows.as<BFloat16>();
  const auto out = out_rows.as<BFloat16>();
  const std::int64_t width = q.columns / heads;
  const std::int64_t pitch = pitch_of(width);
  const std::int64_t longest = lanes_of(sequences.longest);
  PaddedRows queries_in(kTile, width);
  PaddedRows keys_in(longest, width);
  PaddedRows values_in(longest, width);
  const Scratch keys_transposed(longest * pitch / 2);
  const Scratch value_pairs(pairs_of(longest) * pitch);
  const Scratch result_room(kTile * pitch);
  const Scratch scores_room(kTile * kTile);
  const Scratch rounded_room(kTile * (kTile + 2) / 2);
  float* scores = scores_room.data();
  float* result = result_room.data();
  auto* rounded = reinterpret_cast<BFloat16*>(rounded_room.data());
  RunningSoftmax running{};
  TileDropout mask(dropout, kTile);

  for (std::int64_t pair = member; pair < sequences.sequences * heads; pair += members) {
    const auto [sequence, head, start, length, column, asking] = head_of(sequences, heads, width, pair);
    if (asking.count == 0 || length < kLeastTokensInPairs) {
      continue;
    }
    keys_in.take(k.row(start) + column, k.stride, length);
    keys_in.transpose_pairs(length, keys_transposed.data());
    values_in.take(v.row(start) + column, v.stride, length);
    values_in.pair_up(length, value_pairs.data());

    for (std::int64_t first_query = 0; first_query < asking.count; first_query += kTile) {
      const std::int64_t queries = std::min(kTile, asking.count - first_query);
      queries_in.take(q.row(asking.start + first_query) + column, q.stride, queries);
      for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
        const std::int64_t keys = std::min(kTile, length - first_key);
        const std::int64_t stride = lanes_of(keys);
        const bool first = first_key == 0;
        multiply_pairs(queries_in.from_row(0), keys_transposed.data() + first_key * pitch / 2, stride, queries, stride,
                       pitch / 2, scores, stride, false);
        softmax_tile(scores, stride, queries, keys, scale, first, running);
        if (mask.active()) {
          mask.draw(sequences.examples[sequence], head, asking, first_query, queries, first_key, keys);
        }
        round_rows(scores, stride, queries, keys, mask, rounded, stride + 2);
        if (!first) {
          multiply_rows(result, pitch, queries, pitch, running.rescale);
        }
        multiply_pairs({rounded, 2 * (stride + 2), kWord}, value_pairs.data() + first_key / 2 * pitch, pitch, queries,
                       pitch, pairs_of(keys), result, pitch, !first);
      }
      for (std::int64_t i = 0; i < queries; ++i) {
        running.rescale[i] = 1.0F / running.sums[i];
      }
      multiply_rows(result, pitch, queries, pitch, running.rescale);
      convert_rows(result, pitch, queries, width, out.row(asking.start + first_query) + column, out.stride);
      if (log_sum_exp != nullptr) {
        write_log_sum_exp(running, queries, log_sum_exp + head * q.rows + asking.start + first_query);
      }
    }
  }
}

void backward_in_pairs(ConstRows q_rows, ConstRows k_rows, ConstRows v_rows, ConstRows out_rows, ConstRows d_out_rows,
                       const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads, float scale,
                       const Dropout& dropout, Rows dq_rows, Rows dk_rows, Rows dv_rows, std::int64_t member,
                       std::int64_t members) {
  const auto q = q_rows.as<BFloat16>();
  const auto k = k_rows.as<BFloat16>();
  const auto v = v_rows.as<BFloat16>();
  const auto out = out_rows.as<BFloat16>();
  const auto d_out = d_out_rows.as<BFloat16>();
  const auto dq = dq_rows.as<BFloat16>();
  const auto dk = dk_rows.as<BFloat16>();
  const auto dv = dv_rows.as<BFloat16>();
  const std::int64_t width = q.columns / heads;
  const std::int64_t pitch = pitch_of(width);
  const std::int64_t longest = lanes_of(sequences.longest);
  PaddedRows queries_in(longest, width);
  PaddedRows keys_in(longest, width);
  PaddedRows values_in(longest, width);
  PaddedRows d_out_in(longest, width);
  const Scratch keys_transposed(longest * pitch / 2);
  const Scratch values_transposed(longest * pitch / 2);
  const Scratch query_pairs(pairs_of(longest) * pitch);
  const Scratch key_pairs(pairs_of(longest) * pitch);
  const Scratch d_out_pairs(pairs_of(longest) * pitch);
  const Scratch d_queries(longest * pitch);
  const Scratch d_keys(longest * pitch);
  const Scratch d_values(longest * pitch);
  const Scratch products(longest);
  const Scratch p_room(kTile * kTile);
  const Scratch ds_room(kTile * kTile);
  const Scratch p_pairs(kTile / 2 * kTile);
  const Scratch ds_pairs(kTile / 2 * kTile);
  const Scratch rounded_room(kTile * (kTile + 2) / 2);
  float* p = p_room.data();
  float* ds = ds_room.data();
  auto* rounded = reinterpret_cast<BFloat16*>(rounded_room.data());
  TileDropout mask(dropout, kTile);
  const TileDropout nothing({}, kTile);

  for (std::int64_t pair = member; pair < sequences.sequences * heads; pair += members) {
    const auto [sequence, head, start, length, column, asking] = head_of(sequences, heads, width, pair);
    if (length < kLeastTokensInPairs) {
      continue;
    }
    const float* logarithms = log_sum_exp + head * q.rows + asking.start;
    queries_in.take(q.row(asking.start) + column, q.stride, asking.count);
    queries_in.pair_up(asking.count, query_pairs.data());
    keys_in.take(k.row(start) + column, k.stride, length);
    keys_in.transpose_pairs(length, keys_transposed.data());
    keys_in.pair_up(length, key_pairs.data());
    values_in.take(v.row(start) + column, v.stride, length);
    values_in.transpose_pairs(length, values_transposed.data());
    d_out_in.take(d_out.row(asking.start) + column, d_out.stride, asking.count);
    d_out_in.pair_up(asking.count, d_out_pairs.data());
    multiply_outputs(out.row(asking.start) + column, out.stride, d_out.row(asking.start) + column, d_out.stride,
                     asking.count, width, products.data());
    if (asking.count == 0) {
      std::fill_n(d_keys.data(), length * pitch, 0.0F);
      std::fill_n(d_values.data(), length * pitch, 0.0F);
    }

    for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
      const std::int64_t keys = std::min(kTile, length - first_key);
      const std::int64_t stride = lanes_of(keys);
      for (std::int64_t first_query = 0; first_query < asking.count; first_query += kTile) {
        const std::int64_t queries = std::min(kTile, asking.count - first_query);
        multiply_pairs(queries_in.from_row(first_query), keys_transposed.data() + first_key * pitch / 2, stride,
                       queries, stride, pitch / 2, p, stride, false);
        multiply_pairs(d_out_in.from_row(first_query), values_transposed.data() + first_key * pitch / 2, stride,
                       queries, stride, pitch / 2, ds, stride, false);
        if (mask.active()) {
          mask.draw(sequences.examples[sequence], head, asking, first_query, queries, first_key, keys);
        }
        differentiate_tile({p, ds, stride, logarithms + first_query, products.data() + first_query}, queries, keys,
                           scale, mask);
        round_row_pairs(p, stride, queries, keys, p_pairs.data());
        round_row_pairs(ds, stride, queries, keys, ds_pairs.data());
        round_rows(ds, stride, queries, keys, nothing, rounded, stride + 2);
        const bool first_queries = first_query == 0;
        multiply_pairs({p_pairs.data(), kWord, stride * kWord}, d_out_pairs.data() + first_query / 2 * pitch, pitch,
                       keys, pitch, pairs_of(queries), d_values.data() + first_key * pitch, pitch, !first_queries);
        multiply_pairs({ds_pairs.data(), kWord, stride * kWord}, query_pairs.data() + first_query / 2 * pitch, pitch,
                       keys, pitch, pairs_of(queries), d_keys.data() + first_key * pitch, pitch, !first_queries);
        multiply_pairs({rounded, 2 * (stride + 2), kWord}, key_pairs.data() + first_key / 2 * pitch, pitch, queries,
                       pitch, pairs_of(keys), d_queries.data() + first_query * pitch, pitch, first_key != 0);
      }
    }
    convert_rows(d_queries.data(), pitch, asking.count, width, dq.row(asking.start) + column, dq.stride);
    convert_rows(d_keys.data(), pitch, length, width, dk.row(start) + column, dk.stride);
    convert_rows(d_values.data(), pitch, length, width, dv.row(start) + column, dv.stride);
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(forward_in_pairs);
HWY_EXPORT(backward_in_pairs);

void attention_forward_in_pairs(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences,
                                std::int64_t heads, float scale, const Dropout& dropout, Rows out, float* log_sum_exp,
                                std::int64_t member, std::int64_t members) {
  HWY_DYNAMIC_DISPATCH(forward_in_pairs)
  (q, k, v, sequences, heads, scale, dropout, out, log_sum_exp, member, members);
}

void attention_backward_in_pairs(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                                 const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                                 float scale, const Dropout& dropout, Rows dq, Rows dk, Rows dv, std::int64_t member,
                                 std::int64_t members) {
  HWY_DYNAMIC_DISPATCH(backward_in_pairs)
  (q, k, v, out, d_out, log_sum_exp, sequences, heads, scale, dropout, dq, dk, dv, member, members);
}

}  // namespace temper
#endif  // HWY_ONCE
