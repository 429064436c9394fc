// The ops that models are written in: each computes its value and records its backward (tensor/tape.h). x [rows,
// columns]; weights as PyTorch stores them. An op's output needs a gradient if one of its inputs does, and has the type
// of its first input; embedding_sum gives the type of the tape's activations. Products read the compute copies of
// weights (Variable::compute_copy), which must have the type of x; norms and embeddings read the values, in f32.
#pragma once

#include <cstdint>

#include "tensor/kernels.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/gated.h"
#include "tensor/ops/image_rows.h"
#include "tensor/ops/linear_cross_entropy.h"
#include "tensor/ops/norm.h"
#include "tensor/ops/preference.h"
#include "tensor/ops/rotary.h"
#include "tensor/row_groups.h"
#include "tensor/tape.h"

namespace temper {

/// Index tensors of the tokens of a packed batch, on the device.
struct EmbeddingIndices {
  Tensor ids;         ///< i32 [tokens]
  Tensor positions;   ///< i32 [tokens]
  Tensor types;       ///< i32 [tokens]
  GroupedRows by_id;  ///< for backward only: the tokens grouped by each of the three
  GroupedRows by_position;
  GroupedRows by_type;
};

/// activation(x weight^T + bias): x [rows, in], weight [out, in], bias [out] (may be undefined) -> [rows, out].
Variable linear(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                Activation activation = Activation::none);

/// words[ids] + positions[position + position_offset] + types[types]: tables [entries, width] -> [tokens, width].
/// `positions` and `types` may be undefined. Indices must lie inside the tables: the caller checks them.
Variable embedding_sum(Tape& tape, const EmbeddingIndices& indices, const Variable& words, const Variable& positions,
                       std::int64_t position_offset, const Variable& types);

/// What the distance of a query and a key adds to their score (RelativeTerms in tensor/calls/attention.h).
struct DistanceTerms {
  Variable query = {};           ///< [queries, heads * count], or [count, heads]; may be undefined
  Variable key = {};             ///< [tokens, heads * count]; may be undefined
  bool one_row_for_all = false;  ///< `query` is a table [count, heads] whatever the query
  Tensor buckets = {};           ///< i32 [2 reach - 1]: of distance -(reach - 1), ..., reach - 1
  std::int64_t first_bucket = 0;
  std::int64_t count = 0;
  float scale = 1.0F;
};

/// Multi-head self-attention inside each packed sequence: k [tokens, key_heads * head_width], v [tokens, key_heads *
/// value_width], q [queries, query_heads * head_width], by default one per token, -> [queries, query_heads *
/// value_width]. The arrays behind `sequences` must live until backward.
Variable attention(Tape& tape, const Variable& q, const Variable& k, const Variable& v,
                   const PackedSequences& sequences, const AttentionShape& shape, const Dropout& dropout = {},
                   const DistanceTerms& terms = {});

/// Is told what attention reads (Tape::observe_attention): for whoever wants to see its probabilities, which no kernel
/// keeps. What distances add to scores does not come along.
class AttentionObserver {
 public:
  AttentionObserver() = default;
  AttentionObserver(const AttentionObserver&) = delete;
  AttentionObserver& operator=(const AttentionObserver&) = delete;
  virtual ~AttentionObserver() = default;

  /// As attention() has them. Where each sequence asks with one token alone, the keys may never have been computed
  /// (attention_over_inputs() in model/layers/absorbed_attention.h), and nobody is told.
  virtual void attended(const Variable& q, const Variable& k, const PackedSequences& sequences,
                        const AttentionShape& shape) = 0;
};

/// x[rows]: rows i32 [n], inside x -> [n, columns]. A row may occur more than once.
Variable gather_rows(Tape& tape, const Variable& x, const Tensor& rows);

/// Losses end a forward pass: they add the sum and what to divide it by to `sum` f64 [2], and leave the gradient of the
/// sum in `logits`, so that Tape::backward can follow at once.
/// labels i32 [rows], -100 where a row does not count; class_weights f32 [classes] (may be undefined). Logits may be of
/// a whole vocabulary, so their gradient takes the place of their values, which nobody may read afterwards.
void cross_entropy(Tape& tape, const Variable& logits, const Tensor& labels, const Tensor& class_weights,
                   const CrossEntropyTerms& terms, const Tensor& sum);
/// targets f32 [rows, columns] in [0, 1].
void binary_cross_entropy(Tape& tape, const Variable& logits, const Tensor& targets, const Tensor& sum);
/// targets f32 [rows, columns].
void mean_squared_error(Tape& tape, const Variable& predictions, const Tensor& targets, const Tensor& sum);

}  // namespace temper
