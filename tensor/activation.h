// Activation functions of linear layers. Kernels of each device compute them (bias_activation_forward and _backward in
// tensor/calls/activation.h); model/activation_names.h knows what transformers calls them.
#pragma once

#include <cstdint>

namespace temper {

/// With c the cumulative distribution of the standard normal one and s(z) = 1 / (1 + e^-z), of the input z:
enum class Activation : std::uint8_t {
  none,          ///< z
  gelu,          ///< z c(z), that is z/2 (1 + erf(z / sqrt 2)) (Hendrycks, Gimpel: "Gaussian error linear units", 2016)
  gelu_tanh,     ///< its form with tanh, from the same paper
  gelu_clipped,  ///< at most 10 of it (Wu et al.: "Integer quantization for deep learning inference", 2020)
  quick_gelu,    ///< z s(1.702 z), the form with s of the first paper
  silu,          ///< z s(z), also called swish (Ramachandran, Zoph, Le: "Searching for activation functions", 2017)
  mish,          ///< z tanh(ln(1 + e^z)) (Misra: "Mish: a self regularized non-monotonic activation function", 2019)
  relu,          ///< max(z, 0)
  relu_squared,  ///< max(z, 0)^2 (So et al.: "Primer: searching for efficient transformers", 2021)
  relu6,         ///< min(max(z, 0), 6)
  leaky_relu,    ///< z where that is positive, else 0.01 z
  hardswish,     ///< z min(max(z + 3, 0), 6) / 6 (Howard et al.: "Searching for MobileNetV3", 2019)
  laplace,       ///< c((z - 0.707107) / 0.282095) (Ma et al.: "Mega: moving average equipped gated attention", 2022)
  sigmoid,       ///< s(z)
  tanh,
};

/// Whether the activation's slope is computed from its output, as in PyTorch; its input need not be kept then.
constexpr bool slope_reads_output(Activation activation) {
  return activation == Activation::relu || activation == Activation::relu6 || activation == Activation::leaky_relu ||
         activation == Activation::sigmoid || activation == Activation::tanh;
}

/// Whether it is computed from its input.
constexpr bool slope_reads_input(Activation activation) {
  return activation != Activation::none && !slope_reads_output(activation);
}

/// Base of a kernel's struct for an activation.
template <Activation kActivation>
struct ActivationTraits {
  static constexpr bool kReadsZ = slope_reads_input(kActivation);
  static constexpr bool kReadsY = slope_reads_output(kActivation);
};

}  // namespace temper
