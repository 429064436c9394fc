#include "model/activation_names.h"

#include "base/error.h"

namespace temper {

std::vector<std::string> supported_activations() {
  return {"gelu", "gelu_python", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh",
          "relu", "tanh"};
}

Activation parse_activation(std::string_view name) {
  if (name == "gelu" || name == "gelu_python") return Activation::gelu;
  if (name.starts_with("gelu_")) return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "tanh") return Activation::tanh;
  throw Error("config.json names the activation '{}', which is not supported", name);
}

}  // namespace temper
