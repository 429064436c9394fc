// Attention on bf16 where the processor multiplies pairs of bf16; attention.cpp calls it for the sequences that are
// long enough to be worth laying out in pairs.
#pragma once

#include <cstdint>

#include "tensor/kernels.h"
#include "tensor/kernels/cpu/attention/shared_terms.h"

namespace temper {

/// Sequences of at least so many tokens.
inline constexpr std::int64_t kLeastTokensInPairs = 32;

/// The matrices are bf16. Of the pairs of sequence and head of keys, those that fall to `member` of `members`.
void attention_forward_in_pairs(const calls::AttentionForward& call, std::int64_t member, std::int64_t members);
void attention_backward_in_pairs(const calls::AttentionBackward& call, const SharedTermSums& sums, std::int64_t member,
                                 std::int64_t members);

}  // namespace temper
