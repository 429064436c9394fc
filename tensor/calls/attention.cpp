#include "tensor/calls/attention.h"

#include "base/error.h"

namespace temper {
namespace {

/// Pairs of neighbours in a sequence of n that lie further apart than `reach`, one after the other.
double beyond(double n, std::int64_t reach) {
  const double rest = std::max(n - 1.0 - static_cast<double>(reach), 0.0);
  return rest * (rest + 1.0) / 2.0;
}

/// Scores of a sequence of n tokens of which each asks.
double scores_among(double n, const AttentionShape& shape) {
  return n * n - beyond(n, shape.left()) - beyond(n, shape.right());
}

void require_heads_of(std::string_view kernel, const char* what, const ConstRows& x, std::int64_t heads,
                      std::int64_t width) {
  if (x.columns != heads * width)
    throw Error("{}: the {} have {} columns, expected {} heads of {}", kernel, what, x.columns, heads, width);
}

void check_shape(std::string_view kernel, const AttentionShape& shape, const PackedSequences& sequences,
                 const RelativeTerms& relative) {
  if (shape.query_heads < 1 || shape.key_heads < 1 || shape.query_heads % shape.key_heads != 0)
    throw Error("{}: {} heads of queries cannot share {} heads of keys evenly", kernel, shape.query_heads,
                shape.key_heads);
  if (shape.left() < 0 || shape.right() < 0)
    throw Error("{}: a window from {} before to {} behind a token leaves the token out", kernel, shape.left(),
                shape.right());
  if (!(shape.soft_cap >= 0.0F)) throw Error("{}: scores cannot be capped at {}", kernel, shape.soft_cap);
  if (!relative.any()) return;
  if (shape.group() != 1)
    throw Error("{}: {} heads of queries share {} heads of keys, but terms of distances need keys for each", kernel,
                shape.query_heads, shape.key_heads);
  if (relative.reach < sequences.longest)
    throw Error("{}: a sequence has {} tokens, but the buckets of distances reach {} only", kernel, sequences.longest,
                relative.reach);
}

/// Bytes of terms that are read for so many rows.
double bytes_of_terms(const TermsOf<const void>& terms, std::int64_t rows, std::int64_t heads, std::int64_t count) {
  if (terms.data == nullptr) return 0.0;
  return static_cast<double>(terms.is_shared() ? 1 : rows) * static_cast<double>(heads * count) *
         static_cast<double>(size_of(terms.type));
}

}  // namespace

double score_count(const PackedSequences& sequences, const AttentionShape& shape, std::int64_t queries,
                   bool host_memory) {
  if (sequences.sequences == 0) return 0.0;
  if (!host_memory) {
    const double length = static_cast<double>(sequences.tokens) / static_cast<double>(sequences.sequences);
    if (shape.sees_all()) return static_cast<double>(queries) * length;
    return static_cast<double>(queries) * scores_among(length, shape) / std::max(length, 1.0);
  }
  double scores = 0.0;
  for (std::int64_t s = 0; s < sequences.sequences; ++s) {
    const std::int64_t length = sequences.length(s);
    const std::int64_t query_tokens = sequences.queries(s);
    if (shape.sees_all()) {
      scores += static_cast<double>(query_tokens) * static_cast<double>(length);
    } else if (sequences.query_starts == nullptr) {
      scores += scores_among(static_cast<double>(length), shape);
    } else {
      for (std::int64_t i = 0; i < query_tokens; ++i) {
        const std::int64_t position = sequences.query_positions[sequences.first_query(s) + i];
        scores += static_cast<double>(shape.end_key(position, length) - shape.first_key(position));
      }
    }
  }
  return scores;
}

namespace calls {

KernelWork AttentionForward::work(bool host_memory) const {
  const double scores = score_count(sequences, shape, q.rows, host_memory);
  return {2.0 * scores * static_cast<double>(q.columns + out.columns),
          bytes_of(q) + bytes_of(out) + bytes_of(k) + bytes_of(v) +
              bytes_of_terms(relative.query, q.rows, shape.query_heads, relative.count) +
              bytes_of_terms(relative.key, k.rows, shape.query_heads, relative.count),
          q.type == DType::bf16};
}

KernelWork AttentionBackward::work(bool host_memory) const {
  const double scores = score_count(sequences, shape, q.rows, host_memory);
  const bool of_keys = dk.data != nullptr;
  const auto width = static_cast<double>(q.columns);
  const auto value_width = static_cast<double>(out.columns);
  const double of_queries_bytes = 2.0 * (bytes_of(q) + bytes_of(out));
  const double of_keys_bytes = bytes_of(k) + bytes_of(v);
  return {scores * (of_keys ? 6.0 * width + 4.0 * value_width : 4.0 * width + 2.0 * value_width),
          of_queries_bytes + (of_keys ? 2.0 : 1.0) * of_keys_bytes +
              2.0 * (bytes_of_terms(relative.query, q.rows, shape.query_heads, relative.count) +
                     bytes_of_terms(relative.key, k.rows, shape.query_heads, relative.count)),
          q.type == DType::bf16};
}

void AttentionForward::check() const {
  check_shape(kKernel.name, shape, sequences, relative);
  require_heads_of(kKernel.name, "queries", q, shape.query_heads, shape.head_width);
  require_heads_of(kKernel.name, "keys", k, shape.key_heads, shape.head_width);
  require_heads_of(kKernel.name, "values", v, shape.key_heads, shape.value_width);
  require_heads_of(kKernel.name, "outputs", out, shape.query_heads, shape.value_width);
}

void AttentionBackward::check() const {
  check_shape(kKernel.name, shape, sequences, relative);
  require_heads_of(kKernel.name, "queries", q, shape.query_heads, shape.head_width);
  require_heads_of(kKernel.name, "keys", k, shape.key_heads, shape.head_width);
  require_heads_of(kKernel.name, "values", v, shape.key_heads, shape.value_width);
  require_heads_of(kKernel.name, "outputs", out, shape.query_heads, shape.value_width);
}

}  // namespace calls
}  // namespace temper
