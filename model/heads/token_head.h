// A head over tokens: each through dropout and a classifier.
#pragma once

#include <cstdint>
#include <string>

#include "model/head.h"
#include "model/layers/linear.h"

namespace temper {

class TokenHead final : public Head {
 public:
  TokenHead(const ParameterPlace& place, const std::string& classifier, std::int64_t width, std::int64_t labels,
            double dropout);

  Variable forward(Tape& tape, const Variable& rows, RowNames names, std::uint32_t dropout_place) const override;

 private:
  double dropout_;
  Linear classifier_;
};

}  // namespace temper
