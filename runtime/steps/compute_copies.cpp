#include "runtime/steps/compute_copies.h"

namespace temper {

void ensure_compute_copies(const Model& model, Device& device, DType activations) {
  if (activations == DType::f32) return;
  for (const Parameter& parameter : model.parameters().all()) {
    const Variable& variable = parameter.variable;
    if (variable.compute_copy().type() == activations) continue;
    const Tensor copy = Tensor::empty(device.memory(), parameter.shape, activations);
    device.kernels().run(calls::Copy{.x = variable.value().as_rows(), .y = copy.as_rows()});
    variable.set_compute_copy(copy);
  }
}

}  // namespace temper
