// Compute copies: parameters in the type of the activations, which matrix products read (tensor/tape.h:
// Variable::compute_copy).
#pragma once

#include "model/model.h"
#include "tensor/device.h"

namespace temper {

/// Gives every parameter that lacks one a compute copy in bf16; with f32 there is nothing to do. A parameter loses its
/// copy when it gets a new value, so this is called before a model is used.
void ensure_compute_copies(const Model& model, Device& device, DType activations);

}  // namespace temper
