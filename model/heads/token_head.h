// A head over tokens: each through dropout and a classifier.
#pragma once

#include <cstdint>
#include <string>

#include "model/head.h"
#include "model/layers/linear.h"

namespace temper {

class TokenHead final : public Head {
 public:
  TokenHead(const ParameterPlace& place, const std::string& classifier, std::int64_t width, const HeadRequest& request,
            double dropout);

  Variable outputs(Tape& tape, const HeadInput& input) const override;

 private:
  double dropout_;
  Linear classifier_;
};

}  // namespace temper
