#include "model/heads/token_head.h"

namespace temper {

TokenHead::TokenHead(const ParameterPlace& place, const std::string& classifier, std::int64_t width,
                     const HeadRequest& request, double dropout)
    : Head({ReadTokens::labelled}, request.loss),
      dropout_(dropout),
      classifier_(place, classifier, request.labels, width) {}

Variable TokenHead::outputs(Tape& tape, const HeadInput& input) const {
  return classifier_(tape, dropout(tape, input.hidden, input.names(), tape.dropout(dropout_, input.dropout_place)));
}

}  // namespace temper
