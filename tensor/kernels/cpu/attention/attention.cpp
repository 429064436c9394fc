// Attention in tiles of kTile queries by kTile keys, one head of keys of one sequence after another.
//
// Scores are computed with the keys in the vector's lanes, so the keys are transposed first; lanes beyond the last key
// hold anything finite and are masked where a row is summed or its maximum sought. Head widths that fill whole vectors
// are read and written in place, others through padded copies. Query heads that share a head of keys are so many rows
// of queries to it, one after the other. Where each sequence asks with one token, turning its keys would cost more than
// their scores: then these are sums along the width, and what limits attention is the memory of keys and values.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tensor/kernels/cpu/attention/attention_pairs.h"
#include "tensor/kernels/cpu/attention/shared_terms.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/matmul/bfloat16_pairs.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/attention/attention.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/attention/attention_scores-inl.h"
#include "tensor/kernels/cpu/matmul/row_sums-inl.h"
#include "tensor/kernels/cpu/matmul/small_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

/// scores [queries, keys], of kRows rows of queries at a time, and then fewer; the keys are read as they lie.
template <int kRows, typename T>
void score_rows(const HeadRows& queries, std::int64_t first, std::int64_t count, const T* keys, std::int64_t key_stride,
                std::int64_t key_count, std::int64_t width, float* scores, std::int64_t stride) {
  constexpr int kKeys = 4;
  float sums[kRows * kKeys];
  const auto put = [&](std::int64_t first_key, int some) {
    for (int i = 0; i < kRows; ++i) {
      std::copy_n(sums + i * some, some, scores + (first + i) * stride + first_key);
    }
  };
  for (; first + kRows <= count; first += kRows) {
    const float* x = queries.row(first);
    std::int64_t key = 0;
    for (; key + kKeys <= key_count; key += kKeys) {
      row_sums<kRows, kKeys, true>(x, queries.stride, keys + key * key_stride, key_stride, width, sums);
      put(key, kKeys);
    }
    for (; key < key_count; ++key) {
      row_sums<kRows, 1, true>(x, queries.stride, keys + key * key_stride, key_stride, width, sums);
      put(key, 1);
    }
  }
  if constexpr (kRows > 1) {
    if (first < count) score_rows<kRows / 2>(queries, first, count, keys, key_stride, key_count, width, scores, stride);
  }
}

/// The pairs of sequence and head of keys that fall to `member` of `members`, dealt out one by one; sequences of more
/// than `most_tokens` are left out.
template <typename T, class Scores>
void forward_typed(const calls::AttentionForward& call, std::int64_t most_tokens, std::int64_t member,
                   std::int64_t members) {
  const PackedSequences& sequences = call.sequences;
  const AttentionShape& shape = call.shape;
  const auto q = call.q.as<T>();
  const auto k = call.k.as<T>();
  const auto v = call.v.as<T>();
  const auto out = call.out.as<T>();
  const std::int64_t group = shape.group();
  const std::int64_t width = shape.head_width;
  const std::int64_t padded_width = padded(width);
  const std::int64_t value_width = shape.value_width;
  const std::int64_t padded_value_width = padded(value_width);
  const bool is_f32 = std::is_same_v<T, float>;
  const std::int64_t tile = std::min(kTile, sequences.longest * group);
  // Where all queries fit into one tile, keys are turned as they are met, and those that no query sees are not.
  const bool one_tile = most_queries(sequences) * group <= kTile;
  const bool turns = !call.row_by_row || !one_tile;
  const std::int64_t turned_tokens = one_tile ? std::min(kTile, sequences.longest) : sequences.longest;
  const Scratch keys_transposed(turns ? width * padded(turned_tokens) : 0);
  const Scratch keys_room(is_f32 || !turns ? 0 : (one_tile ? kTile : sequences.longest) * padded_width);
  const Scratch queries_room(is_f32 && evenly_spaced(q, group, width) ? 0 : tile * padded_width);
  const Scratch values_room(
      fits_in_place<T>(value_width) ? 0 : (one_tile ? kTile : sequences.longest) * padded_value_width);
  const Scratch out_room(
      fits_in_place<T>(value_width) && evenly_spaced(out, group, value_width) ? 0 : tile * padded_value_width);
  const Scratch scores_room(tile * padded(tile));
  float* scores = scores_room.data();
  RunningSoftmax running{};
  TileDropout mask(call.dropout, tile);
  Scores shaped(sequences, shape, call.relative, {}, {});

  for (std::int64_t pair = member; pair < sequences.sequences * shape.key_heads; pair += members) {
    const HeadOfSequence part = head_of(sequences, shape, pair);
    const Queries& query_tokens = part.query_tokens;
    const std::int64_t length = part.length;
    if (query_tokens.count == 0 || length > most_tokens) {
      continue;
    }
    const auto values_from = [&](std::int64_t first, std::int64_t count) TEMPER_VECTOR_LAMBDA {
      return with_padding(v.row(part.start + first) + part.key_head * value_width, v.stride, count, value_width,
                          values_room.data());
    };
    const auto turn_keys = [&](std::int64_t first, std::int64_t count) TEMPER_VECTOR_LAMBDA {
      const HeadRows key_rows =
          as_f32(k.row(part.start + first) + part.key_head * width, k.stride, count, width, keys_room.data());
      transpose_tiles(key_rows.data, key_rows.stride, count, width, keys_transposed.data());
    };
    HeadRows all_values{};
    if (!one_tile) {
      turn_keys(0, length);
      all_values = values_from(0, length);
    }
    const GroupRows<const T> all_queries(q, query_tokens.start, part.key_head, group, width);
    const GroupRows<T> all_results(out, query_tokens.start, part.key_head, group, value_width);
    shaped.begin(part);

    for (std::int64_t first_query = 0; first_query < query_tokens.count; first_query += kTile) {
      const std::int64_t queries = std::min(kTile, query_tokens.count - first_query);
      const HeadRows tile_queries = as_f32(all_queries, first_query, queries, width, queries_room.data());
      const LeftOperand query_rows{tile_queries.data, tile_queries.stride, 1};
      const Result<T> result(all_results, first_query, value_width, out_room.data());
      const KeyRange seen = keys_seen(shape, query_tokens, first_query, queries, length);
      for (std::int64_t first_key = seen.first_tile(); first_key < seen.end; first_key += kTile) {
        const std::int64_t keys = std::min(kTile, length - first_key);
        const std::int64_t stride = padded(keys);
        const bool first = first_key == seen.first_tile();
        if (turns) {
          if (one_tile) turn_keys(first_key, keys);
          const float* turned = keys_transposed.data() + (one_tile ? 0 : first_key * width);
          small_matmul(query_rows, turned, stride, queries, stride, width, scores, stride, false);
        } else {
          score_rows<4>(tile_queries, 0, queries, k.row(part.start + first_key) + part.key_head * width, k.stride, keys,
                        width, scores, stride);
        }
        const float scale = shaped.finish(scores, stride, part, first_query, queries, first_key, keys);
        softmax_tile(scores, stride, queries, keys, scale, first, shaped.seen(), running);
        if (mask.active()) {
          mask.draw(sequences.examples[part.sequence], part.head, query_tokens, first_query, queries, first_key, keys);
          drop_tile(mask, scores, stride, queries, keys);
        }
        if (!first) {
          multiply_rows(result.data, result.stride, queries, padded_value_width, running.rescale);
        }
        const HeadRows values =
            one_tile ? values_from(first_key, keys) : HeadRows{all_values.row(first_key), all_values.stride};
        small_matmul({scores, stride, 1}, values.data, values.stride, queries, padded_value_width, keys, result.data,
                     result.stride, !first);
      }
      for (std::int64_t i = 0; i < queries; ++i) {
        running.rescale[i] = 1.0F / running.sums[i];
      }
      multiply_rows(result.data, result.stride, queries, padded_value_width, running.rescale);
      result.deliver(queries, value_width);
      if (call.log_sum_exp != nullptr) {
        write_log_sum_exp(running, queries, call.log_sum_exp + sums_of(part, q.rows) + first_query);
      }
    }
  }
}

/// With P the probabilities, M the dropout mask with its scale, and D[i] = dO[i] . O[i]:
///   dV = (M P)^T dO,   dP = M (dO V^T),   dS = scale P (dP - D),   dQ = dS K,   dK = dS^T Q.
template <typename T, class Scores>
void backward_typed(const calls::AttentionBackward& call, const SharedTermSums& sums, std::int64_t most_tokens,
                    std::int64_t member, std::int64_t members) {
  const PackedSequences& sequences = call.sequences;
  const AttentionShape& shape = call.shape;
  const auto q = call.q.as<T>();
  const auto k = call.k.as<T>();
  const auto v = call.v.as<T>();
  const auto out = call.out.as<T>();
  const auto d_out = call.d_out.as<T>();
  const auto dq = call.dq.as<T>();
  const auto dk = call.dk.as<T>();
  const auto dv = call.dv.as<T>();
  const std::int64_t group = shape.group();
  const std::int64_t width = shape.head_width;
  const std::int64_t padded_width = padded(width);
  const std::int64_t value_width = shape.value_width;
  const std::int64_t padded_value_width = padded(value_width);
  const std::int64_t longest = sequences.longest;
  const std::int64_t group_queries = longest * group;
  const std::int64_t tile = std::min(kTile, group_queries);
  const std::int64_t room = fits_in_place<T>(width) ? 0 : longest * padded_width;
  const std::int64_t value_room = fits_in_place<T>(value_width) ? 0 : longest * padded_value_width;
  // Queries that are not evenly spaced are copied, too.
  const auto room_for = [&](const auto& x, std::int64_t columns) {
    return fits_in_place<T>(columns) && evenly_spaced(x, group, columns) ? 0 : group_queries * padded(columns);
  };
  const bool of_keys = dk.data != nullptr;
  const bool one_for_both = k.data == v.data && k.stride == v.stride && width == value_width;
  const Scratch keys_transposed(width * padded(longest));
  const Scratch values_transposed_room(one_for_both ? 0 : value_width * padded(longest));
  const float* values_transposed = one_for_both ? keys_transposed.data() : values_transposed_room.data();
  const Scratch q_room(room_for(q, width));
  const Scratch k_room(room);
  const Scratch v_room(one_for_both || std::is_same_v<T, float> ? 0 : value_room);
  const Scratch d_out_room(room_for(d_out, value_width));
  const Scratch dq_room(room_for(dq, width));
  const Scratch dk_room(of_keys ? room : 0);
  const Scratch dv_room(of_keys ? value_room : 0);
  const Scratch products_room(group_queries);
  const Scratch p_room(tile * padded(tile));
  const Scratch ds_room(tile * padded(tile));
  float* products = products_room.data();
  float* p = p_room.data();
  float* ds = ds_room.data();
  TileDropout mask(call.dropout, tile);
  Scores shaped(sequences, shape, call.relative, call.d_relative, sums);

  for (std::int64_t pair = member; pair < sequences.sequences * shape.key_heads; pair += members) {
    const HeadOfSequence part = head_of(sequences, shape, pair);
    const Queries& query_tokens = part.query_tokens;
    const std::int64_t length = part.length;
    if (length > most_tokens || (query_tokens.count == 0 && !of_keys && !shaped.wants_key_gradients())) {
      continue;
    }
    const float* logarithms = call.log_sum_exp + sums_of(part, q.rows);
    const GroupRows<const T> all_d_outs(d_out, query_tokens.start, part.key_head, group, value_width);
    const HeadRows query_rows = with_padding(GroupRows<const T>(q, query_tokens.start, part.key_head, group, width), 0,
                                             query_tokens.count, width, q_room.data());
    const HeadRows key_rows =
        with_padding(k.row(part.start) + part.key_head * width, k.stride, length, width, k_room.data());
    transpose_tiles(key_rows.data, key_rows.stride, length, width, keys_transposed.data());
    if (!one_for_both) {
      const HeadRows value_rows =
          as_f32(v.row(part.start) + part.key_head * value_width, v.stride, length, value_width, v_room.data());
      transpose_tiles(value_rows.data, value_rows.stride, length, value_width, values_transposed_room.data());
    }
    const HeadRows d_out_rows = with_padding(all_d_outs, 0, query_tokens.count, value_width, d_out_room.data());
    const Result<T> d_queries(GroupRows<T>(dq, query_tokens.start, part.key_head, group, width), 0, width,
                              dq_room.data());
    const Result<T> d_keys(of_keys ? GroupRows<T>(dk, part.start, part.key_head, 1, width) : GroupRows<T>(), 0, width,
                           dk_room.data());
    const Result<T> d_values(of_keys ? GroupRows<T>(dv, part.start, part.key_head, 1, value_width) : GroupRows<T>(), 0,
                             value_width, dv_room.data());
    shaped.begin(part);

    multiply_outputs(GroupRows<const T>(out, query_tokens.start, part.key_head, group, value_width), all_d_outs,
                     query_tokens.count, value_width, products);

    for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
      const std::int64_t keys = std::min(kTile, length - first_key);
      const std::int64_t stride = padded(keys);
      bool was_seen = false;
      for (std::int64_t first_query = 0; first_query < query_tokens.count; first_query += kTile) {
        const std::int64_t queries = std::min(kTile, query_tokens.count - first_query);
        const KeyRange seen = keys_seen(shape, query_tokens, first_query, queries, length);
        if (!seen.meets_tile(first_key)) {
          continue;
        }
        small_matmul({query_rows.row(first_query), query_rows.stride, 1}, keys_transposed.data() + first_key * width,
                     stride, queries, stride, width, p, stride, false);
        small_matmul({d_out_rows.row(first_query), d_out_rows.stride, 1}, values_transposed + first_key * value_width,
                     stride, queries, stride, value_width, ds, stride, false);
        const float scale = shaped.finish(p, stride, part, first_query, queries, first_key, keys);
        if (mask.active()) {
          mask.draw(sequences.examples[part.sequence], part.head, query_tokens, first_query, queries, first_key, keys);
        }
        differentiate_tile({p, ds, stride, logarithms + first_query, products + first_query}, queries, keys, scale,
                           shaped.slope(), shaped.soft_cap(), shaped.seen(), mask);
        shaped.add_gradients(ds, stride, part, first_query, queries, first_key);
        if (of_keys) {
          small_matmul({p, 1, stride}, d_out_rows.row(first_query), d_out_rows.stride, keys, padded_value_width,
                       queries, d_values.row(first_key), d_values.stride, was_seen);
          small_matmul({ds, 1, stride}, query_rows.row(first_query), query_rows.stride, keys, padded_width, queries,
                       d_keys.row(first_key), d_keys.stride, was_seen);
        }
        was_seen = true;
        small_matmul({ds, stride, 1}, key_rows.row(first_key), key_rows.stride, queries, padded_width, keys,
                     d_queries.row(first_query), d_queries.stride, first_key != seen.first_tile());
      }
      if (of_keys && !was_seen) {
        clear_rows(d_keys, first_key, keys, padded_width);
        clear_rows(d_values, first_key, keys, padded_value_width);
      }
    }
    d_queries.deliver(query_tokens.count, width);
    if (of_keys) {
      d_keys.deliver(length, width);
      d_values.deliver(length, value_width);
    }
    shaped.end(part);
  }
}

/// Calls body with an element of the call's type and the scores of its kind.
template <class Body>
void with_kind(DType type, bool shaped, const Body& body) {
  const auto with_scores = [&]<typename T>(T element) {
    shaped ? body.template operator()<T, ShapedScores>(element) : body.template operator()<T, PlainScores>(element);
  };
  type == DType::bf16 ? with_scores(BFloat16()) : with_scores(0.0F);
}

}  // namespace

void attention_forward_part(const calls::AttentionForward& call, std::int64_t most_tokens, std::int64_t member,
                            std::int64_t members) {
  with_kind(call.q.type, is_shaped(call.shape, call.relative), [&]<typename T, class Scores>(T /*element*/) {
    forward_typed<T, Scores>(call, most_tokens, member, members);
  });
}

void attention_backward_part(const calls::AttentionBackward& call, const SharedTermSums& sums, std::int64_t most_tokens,
                             std::int64_t member, std::int64_t members) {
  with_kind(call.q.type, is_shaped(call.shape, call.relative), [&]<typename T, class Scores>(T /*element*/) {
    backward_typed<T, Scores>(call, sums, most_tokens, member, members);
  });
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(attention_forward_part);
HWY_EXPORT(attention_backward_part);

namespace {

/// Threads worth waking for `products` tiles' products of the queries, were their sequences equally long.
int threads_for(const PackedSequences& sequences, const ConstRows& q, std::int64_t key_heads, std::int64_t products) {
  constexpr std::int64_t kMultiplicationsPerThread = 1 << 18;
  const std::int64_t mean_length = sequences.tokens / std::max<std::int64_t>(sequences.sequences, 1);
  const std::int64_t work = q.rows * mean_length * q.columns * products;
  return static_cast<int>(
      std::min<std::int64_t>(sequences.sequences * key_heads, worthwhile_threads(work, kMultiplicationsPerThread)));
}

/// Longer sequences are computed in pairs of bf16.
std::int64_t most_tokens_alone(DType type, const PackedSequences& sequences) {
  return type == DType::bf16 && bfloat16_pairs_pay() ? kLeastTokensInPairs - 1 : sequences.longest;
}

}  // namespace

void CpuKernels::run(const calls::AttentionForward& call) {
  // What is refused must be refused here: nothing may throw inside the team.
  const DType type = common_type(call.kKernel.name, call.q, call.k, call.v, call.out);
  const std::int64_t alone = call.row_by_row ? call.sequences.longest : most_tokens_alone(type, call.sequences);
  call.check();
  parallel_team(threads_for(call.sequences, call.q, call.shape.key_heads, 2),
                [&](std::int64_t member, std::int64_t members) {
                  HWY_DYNAMIC_DISPATCH(attention_forward_part)(call, alone, member, members);
                  if (alone < call.sequences.longest) attention_forward_in_pairs(call, member, members);
                });
}

void CpuKernels::run(const calls::AttentionBackward& call) {
  const DType type =
      common_type(call.kKernel.name, call.q, call.k, call.v, call.out, call.d_out, call.dq, call.dk, call.dv);
  const std::int64_t alone = most_tokens_alone(type, call.sequences);
  call.check();
  const bool of_keys = call.dk.data != nullptr;
  if (call.k.rows != 0 && (of_keys != (call.dv.data != nullptr) || (!of_keys && type != DType::f32)))
    throw Error("attention_backward: keys and values are without a gradient together, and in f32");
  SharedTerms shared(call);
  const SharedTermSums sums = shared.sums();
  parallel_team(threads_for(call.sequences, call.q, call.shape.key_heads, of_keys ? 5 : 3),
                [&](std::int64_t member, std::int64_t members) {
                  HWY_DYNAMIC_DISPATCH(attention_backward_part)(call, sums, alone, member, members);
                  if (alone < call.sequences.longest) attention_backward_in_pairs(call, sums, member, members);
                });
  shared.deliver();
}

}  // namespace temper
#endif  // HWY_ONCE
