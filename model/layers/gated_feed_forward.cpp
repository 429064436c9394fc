#include "model/layers/gated_feed_forward.h"

namespace temper {
namespace {

std::optional<Linear> value_layer(const ParameterPlace& place, const GatedFeedForwardNames& names,
                                  const GatedFeedForwardShape& shape) {
  if (names.value.empty()) return std::nullopt;
  return Linear(place, names.value, shape.intermediate_width, shape.width, shape.bias);
}

}  // namespace

GatedFeedForward::GatedFeedForward(const ParameterPlace& place, const GatedFeedForwardNames& names,
                                   const GatedFeedForwardShape& shape)
    : activation_(shape.activation),
      dropout_(shape.dropout),
      gate_(place, names.gate, (names.value.empty() ? 2 : 1) * shape.intermediate_width, shape.width, shape.bias),
      value_(value_layer(place, names, shape)),
      down_(place.drawing(shape.down_weights), names.down, shape.width, shape.intermediate_width, shape.bias) {
  gate_.belongs_to(ModulePart::feed_forward);
  if (value_) value_->belongs_to(ModulePart::feed_forward);
  down_.belongs_to(ModulePart::feed_forward);
}

Variable GatedFeedForward::forward(Tape& tape, const Variable& x, TokenKeys names, std::uint32_t dropout_place) const {
  const Variable gate = gate_(tape, x);
  const Variable passed =
      value_.has_value() ? gated(tape, gate, (*value_)(tape, x), activation_) : gated(tape, gate, activation_);
  return down_(tape, dropout(tape, passed, names, tape.dropout(dropout_, dropout_place)));
}

}  // namespace temper
