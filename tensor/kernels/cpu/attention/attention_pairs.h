// Attention on bf16 where the processor multiplies pairs of bf16; attention.cpp calls it for the sequences that are
// long enough to be worth laying out in pairs.
#pragma once

#include <cstdint>

#include "tensor/kernels.h"

namespace temper {

/// Sequences of at least so many tokens.
inline constexpr std::int64_t kLeastTokensInPairs = 32;

/// The matrices are bf16. Of the pairs of sequence and head, those that fall to `member` of `members`.
void attention_forward_in_pairs(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences,
                                std::int64_t heads, float scale, const Dropout& dropout, Rows out, float* log_sum_exp,
                                std::int64_t member, std::int64_t members);
void attention_backward_in_pairs(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                                 const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                                 float scale, const Dropout& dropout, Rows dq, Rows dk, Rows dv, std::int64_t member,
                                 std::int64_t members);

}  // namespace temper
