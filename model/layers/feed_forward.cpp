#include "model/layers/feed_forward.h"

namespace temper {

FeedForward::FeedForward(const ParameterPlace& place, const FeedForwardNames& names, const FeedForwardShape& shape)
    : activation_(shape.activation),
      up_(place, names.up, shape.intermediate_width, shape.width),
      down_(place.drawing(shape.down_weights.value_or(place.weights)), names.down, shape.width,
            shape.intermediate_width) {
  up_.belongs_to(ModulePart::feed_forward);
  down_.belongs_to(ModulePart::feed_forward);
}

Variable FeedForward::forward(Tape& tape, const Variable& x, TokenKeys /*names*/,
                              std::uint32_t /*dropout_place*/) const {
  return down_(tape, up_(tape, x, activation_));
}

}  // namespace temper
