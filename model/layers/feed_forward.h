// Two linear layers with an activation between them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/layers/feed_forward_layer.h"
#include "model/layers/linear.h"

namespace temper {

struct FeedForwardNames {
  std::string up;
  std::string down;
};

struct FeedForwardShape {
  std::int64_t width;
  std::int64_t intermediate_width;
  Activation activation;
  std::optional<Initialization> down_weights = {};  ///< of the second layer; none: as all matrices
};

class FeedForward final : public FeedForwardLayer {
 public:
  FeedForward(const ParameterPlace& place, const FeedForwardNames& names, const FeedForwardShape& shape);

  Variable forward(Tape& tape, const Variable& x, TokenKeys names, std::uint32_t dropout_place) const override;

 private:
  Activation activation_;
  Linear up_;
  Linear down_;
};

}  // namespace temper
