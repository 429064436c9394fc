// A head over the last map of a convolutional net: the mean of its pixels, a norm where the net has one there, and a
// classifier.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/head.h"
#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"

namespace temper {

class MapHead final : public Head {
 public:
  /// Adds `classifier`. The norm has been added before, as a part of the network.
  MapHead(const ParameterPlace& place, std::optional<LayerNorm> norm, const std::string& classifier, std::int64_t width,
          const HeadRequest& request);

  Variable outputs(Tape& tape, const HeadInput& input) const override;

 private:
  std::optional<LayerNorm> norm_;
  Linear classifier_;
};

}  // namespace temper
