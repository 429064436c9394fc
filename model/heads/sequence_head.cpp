#include "model/heads/sequence_head.h"

#include "model/heads/pooling.h"

namespace temper {

SequenceHead::SequenceHead(const ParameterPlace& place, const SequenceHeadNames& names, std::int64_t width,
                           const HeadRequest& request, double dropout, Readout readout)
    : Head(readout, request.loss),
      activation_(names.activation),
      dropout_before_dense_(names.rate_before_dense.value_or(names.dropout_before_dense ? dropout : 0.0)),
      dropout_(dropout),
      dense_(place, names.dense, width, width),
      classifier_(place, names.classifier, request.labels, width) {}

Variable SequenceHead::outputs(Tape& tape, const HeadInput& input) const {
  const Variable pooled = row_of_each_sequence(tape, input, readout());
  const RowNames names = input.names();
  Variable row = dropout(tape, pooled, names, tape.dropout(dropout_before_dense_, input.dropout_place));
  row = dense_(tape, row, activation_);
  row = dropout(tape, row, names, tape.dropout(dropout_, input.dropout_place + 1));
  return classifier_(tape, row);
}

}  // namespace temper
