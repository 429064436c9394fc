// Attention within packed sequences: who may see whom, how heads share keys, and what distances add to scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "tensor/calls/kernel_work.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper {

/// Sequences that lie packed in `tokens` rows: sequence s begins with row starts[s] and ends before row starts[s + 1],
/// or has lengths[s] rows from there on, where room is left behind it (for keys to come). What lies in such room is
/// neither read nor written.
struct PackedSequences {
  std::int64_t tokens = 0;
  std::int64_t sequences = 0;
  const std::int32_t* starts = nullptr;     ///< [sequences + 1]
  const std::uint32_t* examples = nullptr;  ///< [sequences]
  std::int64_t longest = 0;                 ///< tokens of the longest sequence
  /// Query subset, if only some tokens are queries: the queries of sequence s are rows query_starts[s] to
  /// query_starts[s + 1] of the query matrix, for the tokens at query_positions in it, each at most once. Null: every
  /// token is a query.
  const std::int32_t* query_starts = nullptr;      ///< [sequences + 1]
  const std::uint32_t* query_positions = nullptr;  ///< [queries]
  const std::int32_t* lengths = nullptr;           ///< [sequences]; null: sequences lie without gaps

  [[nodiscard]] std::int64_t length(std::int64_t s) const {
    return lengths != nullptr ? lengths[s] : starts[s + 1] - starts[s];
  }
  /// Row of the first query of a sequence, and how many it has.
  [[nodiscard]] std::int64_t first_query(std::int64_t s) const {
    return query_starts != nullptr ? query_starts[s] : starts[s];
  }
  [[nodiscard]] std::int64_t queries(std::int64_t s) const {
    return query_starts != nullptr ? query_starts[s + 1] - query_starts[s] : length(s);
  }
};

/// Which keys a query sees: those of its own sequence from `left` places before it to `right` places behind it
/// (Beltagy, Peters, Cohan: "Longformer: the long-document transformer", 2020). A query always sees its own token.
struct AttentionWindow {
  static constexpr std::int64_t kUnlimited = std::numeric_limits<std::int32_t>::max();
  std::int64_t left = kUnlimited;
  std::int64_t right = kUnlimited;
};

/// What attention computes, whatever its data.
struct AttentionShape {
  std::int64_t query_heads;
  /// Divides query_heads. So many neighbouring query heads as there are to each share its keys and values (Ainslie et
  /// al.: "GQA", 2023; with one, Shazeer: "Fast transformer decoding: one write-head is all you need", 2019).
  std::int64_t key_heads;
  std::int64_t head_width;   ///< of queries and keys
  std::int64_t value_width;  ///< of values and outputs
  float scale;               ///< of the products of queries and keys; positive
  bool causal = false;       ///< no query sees what comes behind it: the window ends there
  AttentionWindow window = {};
  /// c: a score s becomes c tanh(s / c) before the softmax (Gemma team: "Gemma 2", 2024, 2.2); 0: it stays as it is.
  float soft_cap = 0.0F;

  /// As many heads of keys as of queries, all of one width, and everybody sees everybody; by default scaled as in
  /// Vaswani et al.: "Attention is all you need", 2017.
  static AttentionShape plain(std::int64_t heads, std::int64_t head_width, float scale) {
    return {heads, heads, head_width, head_width, scale};
  }
  static AttentionShape plain(std::int64_t heads, std::int64_t head_width) {
    return plain(heads, head_width, 1.0F / std::sqrt(static_cast<float>(head_width)));
  }
  /// Query heads that share a head of keys.
  [[nodiscard]] std::int64_t group() const { return query_heads / key_heads; }
  [[nodiscard]] std::int64_t left() const { return window.left; }
  [[nodiscard]] std::int64_t right() const { return causal ? 0 : window.right; }
  /// No query is kept from any key of its sequence.
  [[nodiscard]] bool sees_all() const {
    return left() >= AttentionWindow::kUnlimited && right() >= AttentionWindow::kUnlimited;
  }
  /// A query at `position` sees keys [first_key(), end_key()) of a sequence of `length` tokens.
  [[nodiscard]] std::int64_t first_key(std::int64_t position) const {
    return std::max<std::int64_t>(position - left(), 0);
  }
  [[nodiscard]] std::int64_t end_key(std::int64_t position, std::int64_t length) const {
    return std::min(position + right() + 1, length);
  }
};

/// A number for each row (a token, or one row that all share), head and bucket of distances: element (row, head,
/// bucket) lies at data[row * row_stride + head * head_stride + bucket * bucket_stride].
template <typename Void>
struct TermsOf {
  Void* data = nullptr;
  std::int64_t row_stride = 0;  ///< 0: one row for all
  std::int64_t head_stride = 0;
  std::int64_t bucket_stride = 1;
  DType type = DType::f32;  ///< or bf16

  [[nodiscard]] bool is_shared() const { return row_stride == 0; }
  [[nodiscard]] Void* at(std::int64_t row, std::int64_t head) const {
    return RowsOf<Void>(data, 0, 0, 1, type).at(row * row_stride + head * head_stride, 0);
  }
};

/// What the distance of a query at i and a key at j adds to the score of a head h, beside its product:
///   scale (query[i][h][b] + key[j][h][b]),   b = buckets[i - j + reach - 1] - first_bucket
/// (He, Liu, Gao, Chen: "DeBERTa", 2021; with one row of the query's for all tokens, Raffel et al.: "T5", 2020). Either
/// may be absent. Rows of `query` are those of q, rows of `key` those of k. Only where each head has keys of its own.
struct RelativeTerms {
  TermsOf<const void> query = {};
  TermsOf<const void> key = {};
  const std::int32_t* buckets = nullptr;  ///< [2 reach - 1]
  std::int64_t reach = 0;                 ///< more than the longest distance that occurs
  std::int64_t first_bucket = 0;          ///< that the terms have
  std::int64_t count = 0;                 ///< buckets that they have
  float scale = 1.0F;

  [[nodiscard]] bool any() const { return query.data != nullptr || key.data != nullptr; }
};

/// Gradients of the terms that are there; without data if they are not needed.
struct RelativeGradients {
  TermsOf<void> query = {};
  TermsOf<void> key = {};
  bool accumulate_query = false;
  bool accumulate_key = false;
};

/// Sum over sequences of the keys that each query sees: the scores of one head. `host_memory`: the arrays may be read
/// here; else sequences are taken to be of one length, which is the least that it can be without a window.
double score_count(const PackedSequences& sequences, const AttentionShape& shape, std::int64_t queries,
                   bool host_memory);

namespace calls {

/// Multi-head attention within each sequence, no padding: out = softmax(scale q k^T) v for each head, in tiles with a
/// running maximum and sum (Dao, Fu, Ermon, Rudra, Re: "FlashAttention", 2022), so that of one sequence at most a tile
/// of scores exists at once; tiles that no query sees are not computed. q [queries, query_heads * head_width], k
/// [tokens, key_heads * head_width], v [tokens, key_heads * value_width], out [queries, query_heads * value_width],
/// each with its own stride. log_sum_exp [query_heads * queries] is kept for backward (may be null), in the device's
/// order. Dropout acts on the probabilities. A query's bits depend on its sequence alone.
struct AttentionForward {
  static constexpr KernelId kKernel{"attention_forward", KernelClass::attention};
  ConstRows q;
  ConstRows k;
  ConstRows v;
  PackedSequences sequences;
  AttentionShape shape;
  RelativeTerms relative = {};
  Dropout dropout = {};
  /// Each sequence asks with its last token, as in LinearForward: on CPUs, what lays keys out for many queries is left
  /// out, with other bits.
  bool row_by_row = false;
  Rows out;
  float* log_sum_exp = nullptr;
  /// Two products per head, of the scores that somebody sees.
  [[nodiscard]] KernelWork work(bool host_memory) const;
  /// Throws Error where matrices and shape do not fit.
  void check() const;
};

/// dq, dk, dv are overwritten. dk and dv may both be null if they are not needed: in f32 and on the CPU only.
struct AttentionBackward {
  static constexpr KernelId kKernel{"attention_backward", KernelClass::attention};
  ConstRows q;
  ConstRows k;
  ConstRows v;
  ConstRows out;
  ConstRows d_out;
  const float* log_sum_exp;
  PackedSequences sequences;
  AttentionShape shape;
  RelativeTerms relative = {};
  Dropout dropout = {};
  Rows dq;
  Rows dk = {};
  Rows dv = {};
  RelativeGradients d_relative = {};
  /// Five products per head, since the scores are recomputed, or three if the gradients of keys and values are not
  /// needed.
  [[nodiscard]] KernelWork work(bool host_memory) const;
  void check() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_ATTENTION_CALLS(EACH) EACH(AttentionForward) EACH(AttentionBackward)
