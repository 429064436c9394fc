// A head over whole sequences: the token that is read of each (or the mean of all) through a dense layer, dropout and
// a classifier.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/head.h"
#include "model/heads/head_transform.h"
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
  /// With a transform of another make, whose parameters have been added before.
  SequenceHead(const ParameterPlace& place, HeadTransform transform, const std::string& classifier, std::int64_t width,
               const HeadRequest& request, double dropout_before_dense, double dropout, Readout readout);

  Variable outputs(Tape& tape, const HeadInput& input) const override;

 private:
  double dropout_before_dense_;
  double dropout_;
  HeadTransform transform_;
  Linear classifier_;
};

}  // namespace temper
