// What transformers calls the activations, in config.json ("hidden_act", DistilBERT's "activation").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tensor/kernels.h"

namespace temper {

/// The names that can be computed, as transformers spells them.
std::vector<std::string> supported_activations();

/// Throws Error for a name that is not one of supported_activations().
Activation parse_activation(std::string_view name);

}  // namespace temper
