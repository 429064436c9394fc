// A shape of attention and the batch that it is computed for, as the tests of all devices describe them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/calls/attention.h"

namespace temper::testing_support {

enum class Terms : std::uint8_t { none, of_queries, of_keys, of_both, one_row };

/// Buckets of the terms by distance, of which those before the first are never read.
constexpr std::int64_t kTermBuckets = 9;
constexpr std::int64_t kFirstTermBucket = 2;

struct AttentionCase {
  std::vector<std::int32_t> lengths;
  AttentionShape shape;
  Terms terms = Terms::none;
  Dropout dropout = {};
  std::int32_t room = 0;                                      ///< rows left behind each sequence
  std::vector<std::vector<std::uint32_t>> query_tokens = {};  ///< one per sequence; none: every token is a query
};

inline AttentionShape shaped(std::int64_t query_heads, std::int64_t key_heads, std::int64_t width,
                             std::int64_t value_width, bool causal = false, AttentionWindow window = {},
                             float soft_cap = 0.0F) {
  return {query_heads, key_heads, width,   value_width, 1.0F / std::sqrt(static_cast<float>(width)),
          causal,      window,    soft_cap};
}

/// Of the distances 1 - reach to reach - 1: exact near by, then coarser and at last all the same, and not alike on both
/// sides.
inline std::vector<std::int32_t> term_buckets(std::int64_t reach) {
  std::vector<std::int32_t> buckets;
  for (std::int64_t d = 1 - reach; d < reach; ++d) {
    const std::int64_t bucket = d >= 0 ? std::min<std::int64_t>(d, 3) : 4 + std::min<std::int64_t>((-d + 1) / 2, 4);
    buckets.push_back(static_cast<std::int32_t>(bucket + kFirstTermBucket));
  }
  return buckets;
}

}  // namespace temper::testing_support
