// Copies of the parameters in the type of the activations, which matrix products read (tensor/tape.h:
// Variable::working).
#pragma once

#include "model/model.h"
#include "tensor/device.h"

namespace temper {

/// Gives every parameter that lacks one a working copy of type bf16; of f32 there is nothing to do. A parameter loses
/// its copy when it gets a new value, so this is called before a model is used.
void ensure_working_copies(const Model& model, Device& device, DType activations);

}  // namespace temper
