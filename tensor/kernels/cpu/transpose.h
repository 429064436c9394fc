// A matrix turned over, for products that run better on the other order.
#pragma once

#include <cstdint>

#include "tensor/kernels.h"

namespace temper {

/// y [x.columns, x.rows] = the transpose of x. The rows of y lie `stride` elements apart, a multiple of 4 of at least
/// x.rows; what lies between them is overwritten.
void transpose_matrix(ConstMatrix x, float* y, std::int64_t stride);

}  // namespace temper
