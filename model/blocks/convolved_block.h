// A block with a convolution over the tokens beside it, whose result is added to the block's (He, Liu, Gao, Chen:
// DeBERTa's second version, 2021).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/block.h"
#include "model/layers/layer_norm.h"

namespace temper {

struct ConvolutionNames {
  std::string convolution;
  std::string norm;
};

struct ConvolutionShape {
  std::int64_t width;
  std::int64_t span;  ///< tokens that a result depends on; odd
  Activation activation;
  float epsilon;
  double dropout;  ///< before the activation
};

class ConvolvedBlock final : public Block {
 public:
  /// norm(inner(x) + activation(dropout(convolution(x)))). `inner` has been given its parameters before.
  ConvolvedBlock(const ParameterPlace& place, std::shared_ptr<const Block> inner, const ConvolutionNames& names,
                 const ConvolutionShape& shape);

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return inner_->dropout_places() + 1; }

 private:
  ConvolutionShape shape_;
  std::shared_ptr<const Block> inner_;
  Variable weight_;
  Variable bias_;
  LayerNorm norm_;
};

}  // namespace temper
