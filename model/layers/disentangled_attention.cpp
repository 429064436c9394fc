#include "model/layers/disentangled_attention.h"

#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "tensor/ops.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

std::vector<std::uint32_t> counted(std::int64_t count) {
  std::vector<std::uint32_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0U);
  return numbers;
}

/// Rows [first, first + count) of a table of parameters, in the type of the activations.
Variable rows_of_table(Tape& tape, const Variable& table, std::int64_t first, std::int64_t count) {
  const Tensor y = tape.empty({count, table.value().columns()}, tape.activations());
  tape.kernels().run(calls::Copy{.x = table.value().as_rows().part(first, count), .y = y.as_rows()});
  Variable out(y, tape.records({&table}));
  if (!out.requires_gradient()) return out;
  tape.record({&table}, [&tape, table, first, count, out] {
    const Rows gradient = tape.cleared_gradient_of(table).as_rows();
    tape.kernels().run(
        calls::Copy{.x = out.gradient().as_rows(), .y = gradient.part(first, count), .accumulate = true});
  });
  return out;
}

/// What one head has of a matrix.
template <typename AnyRows>
AnyRows of_one_head(const AnyRows& x, std::int64_t head, std::int64_t width) {
  return {x.at(0, head * width), x.rows, width, x.stride, x.type};
}

AttentionShape scaled_shape(const DisentangledShape& layer) {
  const std::int64_t width = layer.width / layer.heads;
  const int parts = 1 + (layer.content_to_position ? 1 : 0) + (layer.position_to_content ? 1 : 0);
  return AttentionShape::plain(layer.heads, width,
                               1.0F / std::sqrt(static_cast<float>(width) * static_cast<float>(parts)));
}

}  // namespace

RelativeEmbeddings::RelativeEmbeddings(const ParameterPlace& place, const Names& names, std::int64_t entries,
                                       std::int64_t width, float epsilon, DistanceBuckets buckets)
    : table_(place.within(names.table).add("weight", {entries, width}, place.weights)),
      norm_(names.norm.empty() ? std::nullopt : std::optional<LayerNorm>(LayerNorm(place, names.norm, width, epsilon))),
      buckets_(std::move(buckets)),
      zeros_(std::vector<std::uint32_t>(static_cast<std::size_t>(entries), 0U)),
      numbers_(counted(entries)) {}

Variable RelativeEmbeddings::rows(Tape& tape, const DistanceBuckets::Range& range) const {
  const Variable rows = rows_of_table(tape, table_, range.first, range.count);
  return norm_ ? (*norm_)(tape, rows) : rows;
}

TokenKeys RelativeEmbeddings::names(Device& device, const DistanceBuckets::Range& range) const {
  return {zeros_.on(device).data<std::uint32_t>(), numbers_.on(device).data<std::uint32_t>() + range.first};
}

DisentangledAttention::DisentangledAttention(const ParameterPlace& place, const DisentangledNames& names,
                                             const DisentangledShape& shape,
                                             std::shared_ptr<const RelativeEmbeddings> relative)
    : shape_(shape),
      attention_(scaled_shape(shape)),
      relative_(std::move(relative)),
      query_(place, names.query, shape.width, shape.width),
      key_(place, names.key, shape.width, shape.width),
      value_(place, names.value, shape.width, shape.width),
      position_key_(relative_ != nullptr && !shape.shared_matrices && shape.content_to_position
                        ? std::optional<Linear>(Linear(place, names.position_key, shape.width, shape.width))
                        : std::nullopt),
      position_query_(relative_ != nullptr && !shape.shared_matrices && shape.position_to_content
                          ? std::optional<Linear>(Linear(place, names.position_query, shape.width, shape.width))
                          : std::nullopt),
      output_(place, names.output, shape.width, shape.width) {
  for (const Linear* layer : {&query_, &key_, &value_, &output_}) layer->belongs_to(ModulePart::attention);
  for (const std::optional<Linear>* layer : {&position_key_, &position_query_})
    if (layer->has_value()) (*layer)->belongs_to(ModulePart::attention);
}

Variable DisentangledAttention::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                        const Variable& query_rows, const TokenSelection& selection,
                                        std::uint32_t dropout_place) const {
  const Variable q = query_(tape, query_rows);
  const Variable k = key_(tape, hidden);
  const Variable v = value_(tape, hidden);
  const DistanceTerms distances =
      terms(tape, q, k, input.longest, tape.dropout(shape_.position_dropout, dropout_place + 1));
  return output_(tape, attention(tape, q, k, v, input.packed(selection), attention_,
                                 tape.dropout(shape_.dropout, dropout_place), distances));
}

// Position to content: the key at j is asked by the position that i has seen from j. The buckets of a distance and of
// its opposite are opposite, so it is the bucket that the query at i has for j as well.
DistanceTerms DisentangledAttention::terms(Tape& tape, const Variable& q, const Variable& k, std::int64_t longest,
                                           const Dropout& drop) const {
  if (relative_ == nullptr || (!shape_.content_to_position && !shape_.position_to_content)) return {};
  const DistanceBuckets::Range range = relative_->buckets().range(longest);
  DistanceTerms terms = relative_->buckets().terms(tape.device(), range);
  terms.scale = attention_.scale;
  const Variable positions = dropout(tape, relative_->rows(tape, range), relative_->names(tape.device(), range), drop);
  const TokenKeys names = relative_->names(tape.device(), range);
  if (shape_.content_to_position) {
    const Variable keys = (shape_.shared_matrices ? key_ : *position_key_).of_table(tape, positions, names);
    terms.query = products_by_head(tape, q, keys, shape_.heads);
  }
  if (shape_.position_to_content) {
    const Variable queries = (shape_.shared_matrices ? query_ : *position_query_).of_table(tape, positions, names);
    terms.key = products_by_head(tape, k, queries, shape_.heads);
  }
  return terms;
}

Variable products_by_head(Tape& tape, const Variable& x, const Variable& table, std::int64_t heads) {
  const std::int64_t width = x.value().columns() / heads;
  const std::int64_t entries = table.value().rows();
  const Tensor y = tape.empty({x.value().rows(), heads * entries}, x.value().type());
  for (std::int64_t h = 0; h < heads; ++h)
    tape.kernels().run(calls::Matmul{.a = of_one_head(x.value().as_rows(), h, width),
                                     .b = of_one_head(table.value().as_rows(), h, width),
                                     .transpose_b = true,
                                     .c = of_one_head(y.as_rows(), h, entries)});
  Variable out(y, tape.records({&x, &table}));
  if (!out.requires_gradient()) return out;
  tape.record({&x, &table}, [=, &tape] {
    const GradientTarget dx = wanted_gradient(tape, x);
    const GradientTarget d_table = wanted_gradient(tape, table);
    const Rows dy = out.gradient().as_rows();
    for (std::int64_t h = 0; h < heads; ++h) {
      if (dx.tensor.defined())
        tape.kernels().run(calls::Matmul{.a = of_one_head(dy, h, entries),
                                         .b = of_one_head(table.value().as_rows(), h, width),
                                         .c = of_one_head(dx.tensor.as_rows(), h, width),
                                         .accumulate = dx.accumulate});
      if (d_table.tensor.defined())
        tape.kernels().run(calls::Matmul{.a = of_one_head(dy, h, entries),
                                         .transpose_a = true,
                                         .b = of_one_head(x.value().as_rows(), h, width),
                                         .c = of_one_head(d_table.tensor.as_rows(), h, width),
                                         .accumulate = d_table.accumulate});
    }
  });
  return out;
}

}  // namespace temper
