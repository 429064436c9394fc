// A head over whole sequences that is one matrix: what transformers puts on decoders.
#pragma once

#include <cstdint>
#include <string>

#include "model/head.h"
#include "model/layers/linear.h"

namespace temper {

class ScoreHead final : public Head {
 public:
  /// Adds `name`.weight [labels, width]. `readout` gives a row for each sequence.
  ScoreHead(const ParameterPlace& place, const std::string& name, std::int64_t width, const HeadRequest& request,
            Readout readout);

  Variable outputs(Tape& tape, const HeadInput& input) const override;

 private:
  Linear score_;
};

}  // namespace temper
