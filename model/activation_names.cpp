#include "model/activation_names.h"

#include <array>

#include "base/error.h"

namespace temper {
namespace {

struct NamedActivation {
  std::string_view name;
  Activation activation;
};

// Names of one function are several ways of computing it, which differ in rounding alone. In the order in which a user
// sees them.
constexpr std::array<NamedActivation, 21> kNames = {{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_accurate", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_python_tanh", Activation::gelu_tanh},
    {"gelu_10", Activation::gelu_clipped},
    {"quick_gelu", Activation::quick_gelu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"mish", Activation::mish},
    {"relu", Activation::relu},
    {"relu2", Activation::relu_squared},
    {"relu6", Activation::relu6},
    {"leaky_relu", Activation::leaky_relu},
    {"hardswish", Activation::hardswish},
    {"laplace", Activation::laplace},
    {"sigmoid", Activation::sigmoid},
    {"tanh", Activation::tanh},
    {"linear", Activation::none},
}};

}  // namespace

std::vector<std::string> supported_activations() {
  std::vector<std::string> names;
  for (const NamedActivation& named : kNames) names.emplace_back(named.name);
  return names;
}

Activation parse_activation(std::string_view name) {
  for (const NamedActivation& named : kNames)
    if (named.name == name) return named.activation;
  throw Error("config.json names the activation '{}', which is not supported", name);
}

}  // namespace temper
