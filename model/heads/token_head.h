// A head over tokens: each through dropout and a classifier, and with some models through a transform before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/head.h"
#include "model/heads/head_transform.h"
#include "model/layers/linear.h"

namespace temper {

class TokenHead final : public Head {
 public:
  TokenHead(const ParameterPlace& place, const std::string& classifier, std::int64_t width, const HeadRequest& request,
            double dropout, Linear::Bias bias = Linear::Bias::zeros);
  /// Behind a transform, whose parameters have been added before.
  TokenHead(const ParameterPlace& place, std::optional<HeadTransform> transform, const std::string& classifier,
            std::int64_t width, const HeadRequest& request, double dropout, Linear::Bias bias = Linear::Bias::zeros);

  Variable outputs(Tape& tape, const HeadInput& input) const override;

 private:
  double dropout_;
  std::optional<HeadTransform> transform_;
  Linear classifier_;
};

}  // namespace temper
