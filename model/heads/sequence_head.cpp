#include "model/heads/sequence_head.h"

namespace temper {

SequenceHead::SequenceHead(const ParameterPlace& place, const SequenceHeadNames& names, std::int64_t width,
                           std::int64_t labels, double dropout)
    : activation_(names.activation),
      dropout_before_dense_(names.rate_before_dense.value_or(names.dropout_before_dense ? dropout : 0.0)),
      dropout_(dropout),
      dense_(place, names.dense, width, width),
      classifier_(place, names.classifier, labels, width) {}

Variable SequenceHead::forward(Tape& tape, const Variable& rows, RowNames names, std::uint32_t dropout_place) const {
  Variable row = dropout(tape, rows, names, tape.dropout(dropout_before_dense_, dropout_place));
  row = dense_(tape, row, activation_);
  row = dropout(tape, row, names, tape.dropout(dropout_, dropout_place + 1));
  return classifier_(tape, row);
}

}  // namespace temper
