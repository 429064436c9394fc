// From the tokens that a head over sequences reads to one row of each sequence.
#pragma once

#include "model/head.h"

namespace temper {

/// The mean of the hidden state of all tokens of each sequence: [tokens, width] -> [sequences, width]. `one_of_each`:
/// a selection of one token of each sequence.
Variable mean_of_sequences(Tape& tape, const Variable& hidden, const PackedInput& batch,
                           const TokenSelection& one_of_each);

/// What a head with this readout goes on with, [sequences, width].
Variable row_of_each_sequence(Tape& tape, const HeadInput& input, const Readout& readout);

}  // namespace temper
