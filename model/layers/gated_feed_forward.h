// A gated unit between two linear layers (Shazeer: "GLU variants improve transformer", 2020).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/layers/feed_forward_layer.h"
#include "model/layers/linear.h"

namespace temper {

struct GatedFeedForwardNames {
  std::string gate;  ///< where `value` is empty, of the one layer that gives both: the gate first
  std::string value;
  std::string down;
};

struct GatedFeedForwardShape {
  std::int64_t width;
  std::int64_t intermediate_width;  ///< of the gate, and of the value
  Activation activation;            ///< of the gate
  Linear::Bias bias;
  double dropout;  ///< of what the gate lets through
  Initialization down_weights;
};

class GatedFeedForward final : public FeedForwardLayer {
 public:
  GatedFeedForward(const ParameterPlace& place, const GatedFeedForwardNames& names, const GatedFeedForwardShape& shape);

  Variable forward(Tape& tape, const Variable& x, TokenKeys names, std::uint32_t dropout_place) const override;

 private:
  Activation activation_;
  double dropout_;
  Linear gate_;
  std::optional<Linear> value_;  ///< none: gate_ gives both
  Linear down_;
};

}  // namespace temper
