// For tests of what each activation does.
#pragma once

#include <array>

#include "tensor/activation.h"

namespace temper {

inline constexpr std::array kEveryActivation = {
    Activation::none,         Activation::gelu,    Activation::gelu_tanh,  Activation::gelu_clipped,
    Activation::quick_gelu,   Activation::silu,    Activation::mish,       Activation::relu,
    Activation::relu_squared, Activation::relu6,   Activation::leaky_relu, Activation::hardswish,
    Activation::laplace,      Activation::sigmoid, Activation::tanh};

}  // namespace temper
