// Attention in tiles of kTile queries by kTile keys, one head of one sequence after another.
//
// Scores are computed with the keys in the vector's lanes, so the keys are transposed first; lanes beyond the last key
// hold anything finite and are masked where a row is summed or its maximum sought. Head widths that fill whole vectors
// are read and written in place, others through padded copies.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tensor/kernels/cpu/attention/attention_pairs.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/matmul/bfloat16_pairs.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/attention/attention.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/attention/attention_tiles-inl.h"
#include "tensor/kernels/cpu/matmul/small_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

/// Where heads share keys (`sharing` of them), a head's queries come as rows of their own, and `heads` is 1.
///
/// The pairs of sequence and head that fall to `member` of `members`, dealt out one by one; sequences of more than
/// `most_tokens` are left out.
template <typename T>
void forward_typed(MatrixOf<const T> q, MatrixOf<const T> k, MatrixOf<const T> v, const PackedSequences& sequences,
                   std::int64_t heads, std::int64_t sharing, float scale, const Dropout& dropout, MatrixOf<T> out,
                   float* log_sum_exp, std::int64_t most_tokens, std::int64_t member, std::int64_t members) {
  const std::int64_t width = q.columns / heads;
  const std::int64_t padded_width = padded(width);
  const bool in_place = fits_in_place<T>(width);
  const bool is_f32 = std::is_same_v<T, float>;
  const std::int64_t tile = std::min(kTile, sequences.longest * sharing);
  const Scratch keys_transposed(width * padded(sequences.longest));
  const Scratch keys_room(is_f32 ? 0 : sequences.longest * padded_width);
  const Scratch queries_room(is_f32 ? 0 : tile * padded_width);
  const Scratch values_room(in_place ? 0 : sequences.longest * padded_width);
  const Scratch out_room(in_place ? 0 : tile * padded_width);
  const Scratch scores_room(tile * padded(tile));
  float* scores = scores_room.data();
  RunningSoftmax running{};
  TileDropout mask(dropout, tile);

  for (std::int64_t pair = member; pair < sequences.sequences * heads; pair += members) {
    const auto [sequence, head, start, length, column, asking] = head_of(sequences, heads, width, pair, sharing);
    if (asking.count == 0 || length > most_tokens) {
      continue;
    }
    const HeadRows key_rows = as_f32(k.row(start) + column, k.stride, length, width, keys_room.data());
    transpose_tiles(key_rows.data, key_rows.stride, length, width, keys_transposed.data());
    const HeadRows values = with_padding(v.row(start) + column, v.stride, length, width, values_room.data());

    for (std::int64_t first_query = 0; first_query < asking.count; first_query += kTile) {
      const std::int64_t queries = std::min(kTile, asking.count - first_query);
      const HeadRows tile_queries =
          as_f32(q.row(asking.start + first_query) + column, q.stride, queries, width, queries_room.data());
      const LeftOperand query_rows{tile_queries.data, tile_queries.stride, 1};
      const Result<T> result(out.row(asking.start + first_query) + column, out.stride, width, out_room.data());
      for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
        const std::int64_t keys = std::min(kTile, length - first_key);
        const std::int64_t stride = padded(keys);
        const bool first = first_key == 0;
        small_matmul(query_rows, keys_transposed.data() + first_key * width, stride, queries, stride, width, scores,
                     stride, false);
        softmax_tile(scores, stride, queries, keys, scale, first, running);
        if (mask.active()) {
          mask.draw(sequences.examples[sequence], head, asking, first_query, queries, first_key, keys);
          drop_tile(mask, scores, stride, queries, keys);
        }
        if (!first) {
          multiply_rows(result.data, result.stride, queries, padded_width, running.rescale);
        }
        small_matmul({scores, stride, 1}, values.row(first_key), values.stride, queries, padded_width, keys,
                     result.data, result.stride, !first);
      }
      for (std::int64_t i = 0; i < queries; ++i) {
        running.rescale[i] = 1.0F / running.sums[i];
      }
      multiply_rows(result.data, result.stride, queries, padded_width, running.rescale);
      result.deliver(queries, width);
      if (log_sum_exp != nullptr) {
        write_log_sum_exp(running, queries, log_sum_exp + head * q.rows + asking.start + first_query);
      }
    }
  }
}

/// With P the probabilities, M the dropout mask with its scale, and D[i] = dO[i] . O[i]:
///   dV = (M P)^T dO,   dP = M (dO V^T),   dS = scale P (dP - D),   dQ = dS K,   dK = dS^T Q.
template <typename T>
void backward_typed(MatrixOf<const T> q, MatrixOf<const T> k, MatrixOf<const T> v, MatrixOf<const T> out,
                    MatrixOf<const T> d_out, const float* log_sum_exp, const PackedSequences& sequences,
                    std::int64_t heads, std::int64_t sharing, float scale, const Dropout& dropout, MatrixOf<T> dq,
                    MatrixOf<T> dk, MatrixOf<T> dv, std::int64_t most_tokens, std::int64_t member,
                    std::int64_t members) {
  const std::int64_t width = q.columns / heads;
  const std::int64_t padded_width = padded(width);
  const std::int64_t longest = sequences.longest;
  const std::int64_t most_queries = longest * sharing;
  const std::int64_t tile = std::min(kTile, most_queries);
  const std::int64_t room = fits_in_place<T>(width) ? 0 : longest * padded_width;
  const std::int64_t query_room = sharing * room;
  const bool of_keys = dk.data != nullptr;
  const bool one_for_both = k.data == v.data && k.stride == v.stride;
  const Scratch keys_transposed(width * padded(longest));
  const Scratch values_transposed_room(one_for_both ? 0 : width * padded(longest));
  const float* values_transposed = one_for_both ? keys_transposed.data() : values_transposed_room.data();
  const Scratch q_room(query_room);
  const Scratch k_room(room);
  const Scratch v_room(one_for_both || std::is_same_v<T, float> ? 0 : room);
  const Scratch d_out_room(query_room);
  const Scratch dq_room(query_room);
  const Scratch dk_room(of_keys ? room : 0);
  const Scratch dv_room(of_keys ? room : 0);
  const Scratch products_room(most_queries);
  const Scratch p_room(tile * padded(tile));
  const Scratch ds_room(tile * padded(tile));
  float* products = products_room.data();
  float* p = p_room.data();
  float* ds = ds_room.data();
  TileDropout mask(dropout, tile);

  for (std::int64_t pair = member; pair < sequences.sequences * heads; pair += members) {
    const auto [sequence, head, start, length, column, asking] = head_of(sequences, heads, width, pair, sharing);
    if (length > most_tokens || (asking.count == 0 && !of_keys)) {
      continue;
    }
    const float* logarithms = log_sum_exp + head * q.rows + asking.start;
    const HeadRows query_rows =
        with_padding(q.row(asking.start) + column, q.stride, asking.count, width, q_room.data());
    const HeadRows key_rows = with_padding(k.row(start) + column, k.stride, length, width, k_room.data());
    transpose_tiles(key_rows.data, key_rows.stride, length, width, keys_transposed.data());
    if (!one_for_both) {
      const HeadRows value_rows = as_f32(v.row(start) + column, v.stride, length, width, v_room.data());
      transpose_tiles(value_rows.data, value_rows.stride, length, width, values_transposed_room.data());
    }
    const HeadRows d_out_rows =
        with_padding(d_out.row(asking.start) + column, d_out.stride, asking.count, width, d_out_room.data());
    const Result<T> d_queries(dq.row(asking.start) + column, dq.stride, width, dq_room.data());
    const Result<T> d_keys(of_keys ? dk.row(start) + column : nullptr, dk.stride, width, dk_room.data());
    const Result<T> d_values(of_keys ? dv.row(start) + column : nullptr, dv.stride, width, dv_room.data());

    multiply_outputs(out.row(asking.start) + column, out.stride, d_out.row(asking.start) + column, d_out.stride,
                     asking.count, width, products);

    for (std::int64_t first_key = 0; first_key < length; first_key += kTile) {
      const std::int64_t keys = std::min(kTile, length - first_key);
      const std::int64_t stride = padded(keys);
      if (asking.count == 0 && of_keys) {
        clear_rows(d_keys, first_key, keys, padded_width);
        clear_rows(d_values, first_key, keys, padded_width);
      }
      for (std::int64_t first_query = 0; first_query < asking.count; first_query += kTile) {
        const std::int64_t queries = std::min(kTile, asking.count - first_query);
        small_matmul({query_rows.row(first_query), query_rows.stride, 1}, keys_transposed.data() + first_key * width,
                     stride, queries, stride, width, p, stride, false);
        small_matmul({d_out_rows.row(first_query), d_out_rows.stride, 1}, values_transposed + first_key * width, stride,
                     queries, stride, width, ds, stride, false);
        if (mask.active()) {
          mask.draw(sequences.examples[sequence], head, asking, first_query, queries, first_key, keys);
        }
        differentiate_tile({p, ds, stride, logarithms + first_query, products + first_query}, queries, keys, scale,
                           mask);
        if (of_keys) {
          small_matmul({p, 1, stride}, d_out_rows.row(first_query), d_out_rows.stride, keys, padded_width, queries,
                       d_values.row(first_key), d_values.stride, first_query != 0);
          small_matmul({ds, 1, stride}, query_rows.row(first_query), query_rows.stride, keys, padded_width, queries,
                       d_keys.row(first_key), d_keys.stride, first_query != 0);
        }
        small_matmul({ds, stride, 1}, key_rows.row(first_key), key_rows.stride, queries, padded_width, keys,
                     d_queries.row(first_query), d_queries.stride, first_key != 0);
      }
    }
    d_queries.deliver(asking.count, width);
    if (of_keys) {
      d_keys.deliver(length, width);
      d_values.deliver(length, width);
    }
  }
}

}  // namespace

void attention_forward_part(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences, std::int64_t heads,
                            std::int64_t sharing, float scale, const Dropout& dropout, Rows out, float* log_sum_exp,
                            std::int64_t most_tokens, std::int64_t member, std::int64_t members) {
  const auto run = [&]<typename T>(T /*element*/) {
    forward_typed<T>(q.as<T>(), k.as<T>(), v.as<T>(), sequences, heads, sharing, scale, dropout, out.as<T>(),
                     log_sum_exp, most_tokens, member, members);
  };
  q.type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

void attention_backward_part(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                             const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                             std::int64_t sharing, float scale, const Dropout& dropout, Rows dq, Rows dk, Rows dv,
                             std::int64_t most_tokens, std::int64_t member, std::int64_t members) {
  const auto run = [&]<typename T>(T /*element*/) {
    backward_typed<T>(q.as<T>(), k.as<T>(), v.as<T>(), out.as<T>(), d_out.as<T>(), log_sum_exp, sequences, heads,
                      sharing, scale, dropout, dq.as<T>(), dk.as<T>(), dv.as<T>(), most_tokens, member, members);
  };
  q.type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(attention_forward_part);
HWY_EXPORT(attention_backward_part);

namespace {

/// Threads worth waking for `products` tiles' products of the queries, were their sequences equally long.
int threads_for(const PackedSequences& sequences, const ConstRows& q, std::int64_t heads, std::int64_t products) {
  constexpr std::int64_t kMultiplicationsPerThread = 1 << 18;
  const std::int64_t mean_length = sequences.tokens / std::max<std::int64_t>(sequences.sequences, 1);
  const std::int64_t work = q.rows * mean_length * q.columns * products;
  return static_cast<int>(
      std::min<std::int64_t>(sequences.sequences * heads, worthwhile_threads(work, kMultiplicationsPerThread)));
}

/// How a call is computed. Where all heads share the keys, those of a query become rows.
struct Layout {
  std::int64_t heads;
  std::int64_t sharing;
  std::int64_t most_tokens;  ///< longer sequences are computed in pairs of bf16

  Layout(DType type, const ConstRows& q, const ConstRows& k, const ConstRows& v, std::int64_t all_heads,
         const PackedSequences& sequences)
      : heads(k.columns == q.columns ? all_heads : 1),
        sharing(k.columns == q.columns ? 1 : all_heads),
        most_tokens(sharing == 1 && type == DType::bf16 && bfloat16_pairs_pay() ? kLeastTokensInPairs - 1
                                                                                : sequences.longest) {
    if (k.columns * sharing != q.columns || v.columns != k.columns)
      throw Error("attention: keys of {} and values of {} columns fit neither {} heads of {} columns in all, nor one",
                  k.columns, v.columns, all_heads, q.columns);
  }

  template <typename AnyRows>
  [[nodiscard]] AnyRows of_queries(const AnyRows& x) const {
    if (sharing == 1) return x;
    if (x.stride != x.columns) throw Error("attention: queries whose heads share keys must lie without gaps");
    return {x.data, x.rows * sharing, x.columns / sharing, x.columns / sharing, x.type};
  }
};

}  // namespace

void CpuKernels::run(const calls::AttentionForward& call) {
  // What is refused must be refused here: nothing may throw inside the team.
  const Layout layout(common_type(call.kKernel.name, call.q, call.k, call.v, call.out), call.q, call.k, call.v,
                      call.heads, call.sequences);
  const ConstRows queries = layout.of_queries(call.q);
  const Rows results = layout.of_queries(call.out);
  parallel_team(threads_for(call.sequences, call.q, layout.heads, 2), [&](std::int64_t member, std::int64_t members) {
    HWY_DYNAMIC_DISPATCH(attention_forward_part)
    (queries, call.k, call.v, call.sequences, layout.heads, layout.sharing, call.scale, call.dropout, results,
     call.log_sum_exp, layout.most_tokens, member, members);
    if (layout.most_tokens < call.sequences.longest)
      attention_forward_in_pairs(call.q, call.k, call.v, call.sequences, call.heads, call.scale, call.dropout, call.out,
                                 call.log_sum_exp, member, members);
  });
}

void CpuKernels::run(const calls::AttentionBackward& call) {
  const DType type =
      common_type(call.kKernel.name, call.q, call.k, call.v, call.out, call.d_out, call.dq, call.dk, call.dv);
  const Layout layout(type, call.q, call.k, call.v, call.heads, call.sequences);
  const bool of_keys = call.dk.data != nullptr;
  if (call.k.rows != 0 && (of_keys != (call.dv.data != nullptr) || (!of_keys && type != DType::f32)))
    throw Error("attention_backward: keys and values are without a gradient together, and in f32");
  const ConstRows queries = layout.of_queries(call.q);
  const ConstRows results = layout.of_queries(call.out);
  const ConstRows d_results = layout.of_queries(call.d_out);
  const Rows d_queries = layout.of_queries(call.dq);
  parallel_team(threads_for(call.sequences, call.q, layout.heads, of_keys ? 5 : 3), [&](std::int64_t member,
                                                                                        std::int64_t members) {
    HWY_DYNAMIC_DISPATCH(attention_backward_part)
    (queries, call.k, call.v, results, d_results, call.log_sum_exp, call.sequences, layout.heads, layout.sharing,
     call.scale, call.dropout, d_queries, call.dk, call.dv, layout.most_tokens, member, members);
    if (layout.most_tokens < call.sequences.longest)
      attention_backward_in_pairs(call.q, call.k, call.v, call.out, call.d_out, call.log_sum_exp, call.sequences,
                                  call.heads, call.scale, call.dropout, call.dq, call.dk, call.dv, member, members);
  });
}

}  // namespace temper
#endif  // HWY_ONCE
