// An activation by itself. Gradients and types are as tensor/ops.h says of all ops.
#pragma once

#include "tensor/activation.h"
#include "tensor/tape.h"

namespace temper {

/// activation(x): for where something comes between a product and its activation; linear() has its own in one pass.
Variable activated(Tape& tape, const Variable& x, Activation activation);

}  // namespace temper
