#include "model/heads/token_head.h"

namespace temper {

TokenHead::TokenHead(const ParameterPlace& place, const std::string& classifier, std::int64_t width,
                     std::int64_t labels, double dropout)
    : dropout_(dropout), classifier_(place, classifier, labels, width) {}

Variable TokenHead::forward(Tape& tape, const Variable& rows, RowNames names, std::uint32_t dropout_place) const {
  return classifier_(tape, dropout(tape, rows, names, tape.dropout(dropout_, dropout_place)));
}

}  // namespace temper
