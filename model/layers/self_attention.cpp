#include "model/layers/self_attention.h"

#include <utility>

#include "model/layers/absorbed_attention.h"
#include "model/layers/remembered_keys.h"

namespace temper {
namespace {

AttentionShape attention_shape_of(const SelfAttentionShape& layer) {
  AttentionShape shape = AttentionShape::plain(layer.heads, layer.width / layer.heads);
  shape.causal = layer.causal;
  shape.window = layer.window;
  if (layer.scale > 0.0F) shape.scale = layer.scale;
  return shape;
}

}  // namespace

SelfAttention::SelfAttention(const ParameterPlace& place, const SelfAttentionNames& names,
                             const SelfAttentionShape& shape, std::shared_ptr<const DistanceBias> bias)
    : dropout_(shape.dropout),
      shape_(attention_shape_of(shape)),
      bias_(std::move(bias)),
      query_(place, names.query, shape.width, shape.width, shape.input_bias),
      key_(place, names.key, shape.width, shape.width, shape.input_bias),
      value_(place, names.value, shape.width, shape.width, shape.input_bias),
      output_(place.drawing(shape.output_weights.value_or(place.weights)), names.output, shape.width, shape.width) {
  for (const Linear* layer : {&query_, &key_, &value_, &output_}) layer->belongs_to(ModulePart::attention);
}

Variable SelfAttention::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                const Variable& query_rows, const TokenSelection& selection,
                                std::uint32_t dropout_place) const {
  const Variable q = query_(tape, query_rows);
  const PackedSequences sequences = input.packed(selection);
  const Dropout dropout = tape.dropout(dropout_, dropout_place);
  // The task decides, not the batch: what a model makes of a text does not depend on its neighbours.
  const bool absorbs = selection.one_of_each && absorbs_projections(tape) && key_.is_plain() && value_.is_plain() &&
                       key_.bias().defined() && shape_.sees_all() && bias_ == nullptr && !input.past.defined();
  if (absorbs)
    return output_(
        tape, attention_over_inputs(tape, q, hidden, {key_.weight(), key_.bias()}, {value_.weight(), value_.bias()},
                                    sequences, shape_.query_heads, dropout));
  const Variable own_keys = key_(tape, hidden);
  const Variable own_values = value_(tape, hidden);
  const auto [k, v] = remembered(input, own_keys, own_values, dropout_place);
  const DistanceTerms terms = bias_ == nullptr ? DistanceTerms() : bias_->terms(tape.device(), input.longest);
  return output_(tape, attention(tape, q, k, v, sequences, shape_, dropout, terms));
}

}  // namespace temper
