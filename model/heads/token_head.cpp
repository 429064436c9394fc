#include "model/heads/token_head.h"

#include <utility>

namespace temper {

TokenHead::TokenHead(const ParameterPlace& place, const std::string& classifier, std::int64_t width,
                     const HeadRequest& request, double dropout, Linear::Bias bias)
    : TokenHead(place, std::nullopt, classifier, width, request, dropout, bias) {}

TokenHead::TokenHead(const ParameterPlace& place, std::optional<HeadTransform> transform, const std::string& classifier,
                     std::int64_t width, const HeadRequest& request, double dropout, Linear::Bias bias)
    : Head({ReadTokens::labelled}, request.loss),
      dropout_(dropout),
      transform_(std::move(transform)),
      classifier_(place, classifier, request.labels, width, bias) {}

Variable TokenHead::outputs(Tape& tape, const HeadInput& input) const {
  const Variable rows = transform_.has_value() ? (*transform_)(tape, input.hidden) : input.hidden;
  return classifier_(tape, dropout(tape, rows, input.names(), tape.dropout(dropout_, input.dropout_place)));
}

}  // namespace temper
