// The tokens around each: what makes of a convolution over sequences a linear layer.
#pragma once

#include <cstdint>

#include "tensor/kernels.h"
#include "tensor/tape.h"

namespace temper {

/// x [tokens, columns] -> [tokens, columns * span]: element c * span + o of a token is element c of the token o - span
/// / 2 behind it, 0 beyond the ends of its sequence. So linear() with the weight [out, in, span] of a convolution,
/// whose inputs are padded with zeros to keep their length, is that convolution. span is odd. The arrays behind
/// `sequences` must live until backward.
Variable neighbours(Tape& tape, const Variable& x, const PackedSequences& sequences, std::int64_t span);

}  // namespace temper
