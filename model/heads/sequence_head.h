// A head over whole sequences: the token that is read of each (or the mean of all) through a dense layer, dropout and
// a classifier.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/head.h"
#include "model/layers/linear.h"

namespace temper {

struct SequenceHeadNames {
  std::string dense;
  std::string classifier;
  Activation activation = Activation::tanh;
  bool dropout_before_dense = false;
  std::optional<double> rate_before_dense = {};  ///< where it is one of its own
};

class SequenceHead final : public Head {
 public:
  SequenceHead(const ParameterPlace& place, const SequenceHeadNames& names, std::int64_t width,
               const HeadRequest& request, double dropout, Readout readout = {});

  Variable outputs(Tape& tape, const HeadInput& input) const override;

 private:
  Activation activation_;
  double dropout_before_dense_;
  double dropout_;
  Linear dense_;
  Linear classifier_;
};

}  // namespace temper
