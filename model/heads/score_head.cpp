#include "model/heads/score_head.h"

#include "model/heads/pooling.h"

namespace temper {

ScoreHead::ScoreHead(const ParameterPlace& place, const std::string& name, std::int64_t width,
                     const HeadRequest& request, Readout readout)
    : Head(readout, request.loss), score_(place, name, request.labels, width, Linear::Bias::none) {}

Variable ScoreHead::outputs(Tape& tape, const HeadInput& input) const {
  return score_(tape, row_of_each_sequence(tape, input, readout()));
}

}  // namespace temper
