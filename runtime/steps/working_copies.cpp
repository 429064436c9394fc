#include "runtime/steps/working_copies.h"

namespace temper {

void ensure_working_copies(const Model& model, Device& device, DType activations) {
  if (activations == DType::f32) return;
  for (const Parameter& parameter : model.parameters().all()) {
    const Variable& variable = parameter.variable;
    if (variable.working().type() == activations) continue;
    const Tensor copy = Tensor::empty(device.memory(), parameter.shape, activations);
    device.kernels().copy(variable.value().as_rows(), copy.as_rows(), /*accumulate=*/false);
    variable.set_working(copy);
  }
}

}  // namespace temper
