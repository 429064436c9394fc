#include "model/encoder_layer.h"
namespace temper {

Linear add_linear(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in) {
  const Variable weight = place.list.add(name + ".weight", {out, in}, place.depth, place.head, place.weights).variable;
  const Variable bias =
      place.list.add(name + ".bias", {out}, place.depth, place.head, Initialization::zeros()).variable;
  return {weight, bias};
}

LayerNorm add_layer_norm(const ParameterPlace& place, const std::string& name, std::int64_t width, float epsilon) {
  const Variable weight =
      place.list.add(name + ".weight", {width}, place.depth, place.head, Initialization::ones()).variable;
  const Variable bias =
      place.list.add(name + ".bias", {width}, place.depth, place.head, Initialization::zeros()).variable;
  return {weight, bias, epsilon};
}

Variable add_embedding(const ParameterPlace& place, const std::string& name, std::int64_t entries, std::int64_t width) {
  return place.list.add(name + ".weight", {entries, width}, place.depth, place.head, place.weights).variable;
}

EncoderLayer::EncoderLayer(const ParameterPlace& place, const std::string& prefix, const EncoderLayerNames& names,
                           const EncoderLayerShape& shape, std::uint32_t first_dropout_place)
    : shape_(shape),
      first_dropout_place_(first_dropout_place),
      query_(add_linear(place, prefix + names.query, shape.width, shape.width)),
      key_(add_linear(place, prefix + names.key, shape.width, shape.width)),
      value_(add_linear(place, prefix + names.value, shape.width, shape.width)),
      attention_output_(add_linear(place, prefix + names.attention_output, shape.width, shape.width)),
      attention_norm_(add_layer_norm(place, prefix + names.attention_norm, shape.width, shape.epsilon)),
      up_(add_linear(place, prefix + names.up, shape.intermediate_width, shape.width)),
      down_(add_linear(place, prefix + names.down, shape.width, shape.intermediate_width)),
      output_norm_(add_layer_norm(place, prefix + names.output_norm, shape.width, shape.epsilon)) {}

Variable EncoderLayer::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                               const TokenSelection& selection) const {
  const Variable asking = selection.defined() ? gather_rows(tape, hidden, selection.rows) : hidden;
  const RowNames names = input.names_of(selection);
  const Variable q = linear(tape, asking, query_.weight, query_.bias);
  const Variable context = attend(tape, input, q, hidden, selection);
  const Variable attended = linear(tape, context, attention_output_.weight, attention_output_.bias);
  const Variable middle =
      layer_norm(tape, attended, asking, attention_norm_.weight, attention_norm_.bias, attention_norm_.epsilon, names,
                 tape.dropout(shape_.attention_output_dropout, first_dropout_place_ + 1));
  const Variable raised = linear(tape, middle, up_.weight, up_.bias, shape_.activation);
  const Variable lowered = linear(tape, raised, down_.weight, down_.bias);
  return layer_norm(tape, lowered, middle, output_norm_.weight, output_norm_.bias, output_norm_.epsilon, names,
                    tape.dropout(shape_.output_dropout, first_dropout_place_ + 2));
}

Variable EncoderLayer::attend(Tape& tape, const PackedInput& input, const Variable& q, const Variable& hidden,
                              const TokenSelection& selection) const {
  const PackedSequences sequences = input.packed(selection);
  const Dropout dropout = tape.dropout(shape_.attention_dropout, first_dropout_place_);
  // The task decides, not the batch: what a model makes of a text does not depend on its neighbours.
  if (selection.one_of_each && absorbs_projections(tape))
    return attention_over_inputs(tape, q, hidden, {key_.weight, key_.bias}, {value_.weight, value_.bias}, sequences,
                                 shape_.heads, dropout);
  const Variable k = linear(tape, hidden, key_.weight, key_.bias);
  const Variable v = linear(tape, hidden, value_.weight, value_.bias);
  return attention(tape, q, k, v, sequences, AttentionShape::plain(shape_.heads, shape_.width / shape_.heads), dropout);
}

}  // namespace temper
