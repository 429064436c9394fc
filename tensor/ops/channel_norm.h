// Batch norm over rows of pixels, with what stands behind it. Gradients and types are as tensor/ops.h says of all ops.
#pragma once

#include <cstdint>

#include "tensor/activation.h"
#include "tensor/tape.h"

namespace temper {

/// What columns were measured to have, f32 [columns] each.
struct RunningStatistics {
  Variable mean;
  Variable variance;
  float epsilon = 1e-5F;
};

/// activation((x - mean) / sqrt(variance + epsilon) * weight + bias + residual): x [rows, columns], weight and bias
/// [columns]; the residual may be undefined; the activation is none or relu. The statistics are the running ones,
/// unless somebody observes the batch norms of the tape (Tape::observe_batch_norms) and it is in training: then they
/// are those of the rows, and the gradient goes through them.
Variable batch_norm(Tape& tape, const Variable& x, const RunningStatistics& running, const Variable& weight,
                    const Variable& bias, const Variable& residual = {}, Activation activation = Activation::none);

}  // namespace temper
