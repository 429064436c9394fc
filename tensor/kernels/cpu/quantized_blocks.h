// Values of quantised weights as f32. A block has numbers of few bits and a scale for each 16 or 32 of them; every
// format rounds a value at most once, so there is one right result (ggml-quants.c of ggml, and the gguf package's
// quants.py, have the same bits). What reads such weights, reads them through here, a run of a row at a time.
#pragma once

#include <cstdint>

#include "tensor/rows.h"

namespace temper {

/// to[i * stride + j] = element (i, j) of a matrix of a quantised type, by the calling thread.
void decode_rows(ConstRows weights, float* to, std::int64_t stride);

}  // namespace temper
