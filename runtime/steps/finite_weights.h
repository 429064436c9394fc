// Weights that are not finite, which a model folder may contain: the outputs of such a model are meaningless.
#pragma once

#include <span>
#include <string>

#include "model/model.h"
#include "tensor/device.h"

namespace temper {

bool all_finite(std::span<const float> values);

/// "the weights 'bert.pooler.dense.weight' hold ...", of the first parameter with a value that is not finite; empty
/// where all are finite. `whose`: such as "the base model". Copies the parameters from the device, one by one.
std::string not_finite_weights(const Model& model, Device& device, const std::string& whose);

/// Throws Error that says so of what a fine-tuned model gives, and names the weights where they are the cause.
[[noreturn]] void refuse_not_finite(const Model& model, Device& device, const std::string& what);

}  // namespace temper
