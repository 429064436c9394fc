// Two linear layers with an activation between them, token by token.
#pragma once

#include <cstdint>
#include <string>

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
};

class FeedForward {
 public:
  FeedForward(const ParameterPlace& place, const FeedForwardNames& names, const FeedForwardShape& shape);

  /// x [rows, width] -> [rows, width].
  Variable operator()(Tape& tape, const Variable& x) const;

 private:
  Activation activation_;
  Linear up_;
  Linear down_;
};

}  // namespace temper
