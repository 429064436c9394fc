#include "model/layers/rotary_attention.h"

#include "model/layers/remembered_keys.h"
#include "tensor/ops.h"

namespace temper {
namespace {

std::vector<Linear> projection_layers(const ParameterPlace& place, const RotaryAttentionNames& names,
                                      const RotaryAttentionShape& shape) {
  const AttentionShape& attention = shape.attention;
  const std::int64_t queries = attention.query_heads * attention.head_width;
  const std::int64_t keys = attention.key_heads * attention.head_width;
  const std::int64_t values = attention.key_heads * attention.value_width;
  if (names.projections.size() == 1)
    return {Linear(place, names.projections.front(), queries + keys + values, shape.width, shape.projection_bias)};
  return {Linear(place, names.projections.at(0), queries, shape.width, shape.projection_bias),
          Linear(place, names.projections.at(1), keys, shape.width, shape.projection_bias),
          Linear(place, names.projections.at(2), values, shape.width, shape.projection_bias)};
}

}  // namespace

RotaryAttention::RotaryAttention(const ParameterPlace& place, const RotaryAttentionNames& names,
                                 const RotaryAttentionShape& shape)
    : shape_(shape),
      projections_(projection_layers(place, names, shape)),
      query_norm_(norm_of(place, names.query_norm, shape.attention.query_heads)),
      key_norm_(norm_of(place, names.key_norm, shape.attention.key_heads)),
      output_(place.drawing(shape.output_weights), names.output, shape.width,
              shape.attention.query_heads * shape.attention.value_width, shape.output_bias) {
  for (const Linear& layer : projections_) layer.belongs_to(ModulePart::attention);
  output_.belongs_to(ModulePart::attention);
}

Variable RotaryAttention::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                  const Variable& query_rows, const TokenSelection& selection,
                                  std::uint32_t dropout_place) const {
  const Projected projected = project(tape, input, hidden, query_rows, selection);
  const auto [keys, values] = remembered(input, projected.key, projected.value, dropout_place);
  return output_(tape, attention(tape, projected.query, keys, values, input.packed(selection), shape_.attention,
                                 tape.dropout(shape_.dropout, dropout_place)));
}

RotaryAttention::Projected RotaryAttention::project(Tape& tape, const PackedInput& input, const Variable& hidden,
                                                    const Variable& query_rows, const TokenSelection& selection) const {
  const AttentionShape& attention = shape_.attention;
  const std::int64_t queries = attention.query_heads * attention.head_width;
  const std::int64_t keys = attention.key_heads * attention.head_width;
  const std::int64_t values = attention.key_heads * attention.value_width;
  const TokenSelection all_tokens;
  if (projections_.size() > 1) {
    const Projected separate{normed(tape, query_norm_, projections_[0](tape, query_rows), attention.query_heads),
                             normed(tape, key_norm_, projections_[1](tape, hidden), attention.key_heads),
                             projections_[2](tape, hidden)};
    turn(tape, separate.query, attention.query_heads, input, selection);
    turn(tape, separate.key, attention.key_heads, input, all_tokens);
    return separate;
  }
  const Linear& fused = projections_.front();
  if (!selection.defined()) {
    const Variable all = fused(tape, hidden);
    // Heads of queries and of keys lie side by side and are turned as one.
    turn(tape, all, attention.query_heads + attention.key_heads, input, all_tokens);
    return {columns(tape, all, 0, queries), columns(tape, all, queries, keys),
            columns(tape, all, queries + keys, values)};
  }
  const Variable query = fused.outputs(tape, query_rows, 0, queries);
  const Variable rest = fused.outputs(tape, hidden, queries, keys + values);
  turn(tape, query, attention.query_heads, input, selection);
  turn(tape, rest, attention.key_heads, input, all_tokens);
  return {query, columns(tape, rest, 0, keys), columns(tape, rest, keys, values)};
}

void RotaryAttention::turn(Tape& tape, const Variable& x, std::int64_t heads, const PackedInput& input,
                           const TokenSelection& turned) const {
  if (shape_.angles.frequencies.empty()) return;
  const Tensor& positions = turned.defined() ? turned.positions : input.token_positions;
  PackedSequences sequences = input.packed(turned);
  if (input.past.defined()) sequences.lengths = input.past.whole_lengths.data<std::int32_t>();
  rotate(tape, x, {0, heads, shape_.attention.head_width}, positions.data<std::uint32_t>(), shape_.angles, sequences);
}

std::optional<LayerNorm> RotaryAttention::norm_of(const ParameterPlace& place, const std::string& name,
                                                  std::int64_t heads) const {
  const std::int64_t width = shape_.attention.head_width;
  switch (shape_.query_key_norm) {
    case QueryKeyNorm::none:
      return std::nullopt;
    case QueryKeyNorm::each_head:
      return LayerNorm(place, name, width, shape_.norm, LayerNorm::Bias::none);
    case QueryKeyNorm::own_heads:
      return LayerNorm(place, name, heads, width, shape_.norm);
    case QueryKeyNorm::all_heads:
      return LayerNorm(place, name, heads * width, shape_.norm, LayerNorm::Bias::none);
  }
  return std::nullopt;
}

Variable RotaryAttention::normed(Tape& tape, const std::optional<LayerNorm>& norm, const Variable& x,
                                 std::int64_t heads) const {
  if (!norm.has_value()) return x;
  return shape_.query_key_norm == QueryKeyNorm::all_heads ? (*norm)(tape, x) : norm->of_heads(tape, x, heads);
}

}  // namespace temper
