// Attention whose keys and values are never computed: their matrices are absorbed into the queries and the output. A
// rewrite of a model rather than an op: it is written in kernels that others use too.
#pragma once

#include <cstdint>

#include "tensor/kernels.h"
#include "tensor/tape.h"

namespace temper {

/// The weight [out, in] and bias [out] of a linear layer.
struct Projection {
  const Variable& weight;
  const Variable& bias;
};

/// What attention(q, linear(x, key), linear(x, value)) gives, for few queries: keys and values are never computed. A
/// head's score q . (K x + b) is (K^T q) . x and a number that all keys share, which softmax ignores; and its result is
/// V (sum of p x) + c (sum of p) (the absorbed matrices of DeepSeek-AI: "DeepSeek-V2", 2024, 2.1.2). So with one query
/// per sequence, the work of two linear layers over all tokens becomes that over one. x [tokens, width], q [queries,
/// width]; key.bias gets a gradient of zero. Only where absorbs_projections().
Variable attention_over_inputs(Tape& tape, const Variable& q, const Variable& x, const Projection& key,
                               const Projection& value, const PackedSequences& sequences, std::int64_t heads,
                               const Dropout& dropout = {});
/// True where the device has what attention_over_inputs() needs, and it takes less time: CPUs in f32, whose products of
/// bf16 take too little time to be worth saving.
bool absorbs_projections(const Tape& tape);

}  // namespace temper
