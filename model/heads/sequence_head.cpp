#include "model/heads/sequence_head.h"

#include <utility>

#include "model/heads/pooling.h"

namespace temper {

SequenceHead::SequenceHead(const ParameterPlace& place, const SequenceHeadNames& names, std::int64_t width,
                           const HeadRequest& request, double dropout, Readout readout)
    : SequenceHead(place, HeadTransform(place, {names.dense}, {width, width, names.activation}), names.classifier,
                   width, request, names.rate_before_dense.value_or(names.dropout_before_dense ? dropout : 0.0),
                   dropout, readout) {}

SequenceHead::SequenceHead(const ParameterPlace& place, HeadTransform transform, const std::string& classifier,
                           std::int64_t width, const HeadRequest& request, double dropout_before_dense, double dropout,
                           Readout readout)
    : Head(readout, request.loss),
      dropout_before_dense_(dropout_before_dense),
      dropout_(dropout),
      transform_(std::move(transform)),
      classifier_(place, classifier, request.labels, width) {}

Variable SequenceHead::outputs(Tape& tape, const HeadInput& input) const {
  Variable row = row_of_each_sequence(tape, input, readout());
  const TokenKeys names = input.names();
  row = dropout(tape, row, names, tape.dropout(dropout_before_dense_, input.dropout_place));
  row = transform_(tape, row);
  row = dropout(tape, row, names, tape.dropout(dropout_, input.dropout_place + 1));
  return classifier_(tape, row);
}

}  // namespace temper
