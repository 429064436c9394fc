// Attention within packed sequences.
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper {

/// Sequences that lie packed in `tokens` rows: sequence s is rows starts[s] to starts[s + 1].
struct PackedSequences {
  std::int64_t tokens = 0;
  std::int64_t sequences = 0;
  const std::int32_t* starts = nullptr;     ///< [sequences + 1]
  const std::uint32_t* examples = nullptr;  ///< [sequences]
  std::int64_t longest = 0;                 ///< tokens of the longest sequence
  /// Where only some tokens ask (attend to the others): sequence s asks with rows query_starts[s] to
  /// query_starts[s + 1] of the queries, which are the tokens at query_positions in it, each at most once. Null: every
  /// token asks.
  const std::int32_t* query_starts = nullptr;      ///< [sequences + 1]
  const std::uint32_t* query_positions = nullptr;  ///< [queries]
};

/// Sum over sequences of queries times tokens: the scores of one head. `host_memory`: the arrays may be read here; else
/// sequences are taken to be of one length, which is the least that it can be.
double score_count(const PackedSequences& sequences, std::int64_t queries, bool host_memory);

namespace calls {

/// Multi-head attention within each sequence, no mask, no padding: out = softmax(scale q k^T) v for each head, in tiles
/// with a running maximum and sum (Dao, Fu, Ermon, Rudra, Re: "FlashAttention", 2022), so that of one sequence at most
/// a tile of scores exists at once. The scale is positive. k, v [tokens, heads * head_width], q, out [queries, heads *
/// head_width], each with its own stride. log_sum_exp [heads * queries] is kept for backward (may be null), in the
/// device's order. Dropout acts on the probabilities.
///
/// All heads may share the keys and values, which then have head_width columns (Shazeer: "Fast transformer decoding:
/// one write-head is all you need", 2019); q and out lie without gaps then. Only where Kernels::heads_share_keys().
struct AttentionForward {
  static constexpr KernelId kKernel{"attention_forward", KernelClass::attention};
  ConstRows q;
  ConstRows k;
  ConstRows v;
  PackedSequences sequences;
  std::int64_t heads;
  float scale;
  Dropout dropout = {};
  Rows out;
  float* log_sum_exp = nullptr;
  /// Two products a head.
  [[nodiscard]] KernelWork work(bool host_memory) const;
};

/// dq, dk, dv are overwritten. dk and dv may both be null where nobody wants them: in f32, and only where
/// Kernels::heads_share_keys().
struct AttentionBackward {
  static constexpr KernelId kKernel{"attention_backward", KernelClass::attention};
  ConstRows q;
  ConstRows k;
  ConstRows v;
  ConstRows out;
  ConstRows d_out;
  const float* log_sum_exp;
  PackedSequences sequences;
  std::int64_t heads;
  float scale;
  Dropout dropout = {};
  Rows dq;
  Rows dk = {};
  Rows dv = {};
  /// Five products a head, with the scores' own computed again, or three where nobody wants the gradients of keys and
  /// values.
  [[nodiscard]] KernelWork work(bool host_memory) const;
};

}  // namespace calls
}  // namespace temper
