// What transformers calls the activations, in config.json ("hidden_act", DistilBERT's "activation").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tensor/activation.h"

namespace temper {

/// The names that can be computed: those of transformers' ACT2FN (activations.py, release 5.24) without the ones that
/// have weights of their own (prelu, xielu) and sqrtsoftplus, which scores routers.
std::vector<std::string> supported_activations();

/// Throws Error for a name that is not one of supported_activations().
Activation parse_activation(std::string_view name);

}  // namespace temper
