#include "tensor/ops/activation.h"

#include "tensor/kernels.h"
#include "tensor/ops/gradients.h"

namespace temper {

Variable activated(Tape& tape, const Variable& x, Activation activation) {
  const Tensor y = tape.empty(x.shape(), x.value().type());
  // Without a bias the kernel leaves its input as it is.
  tape.kernels().run(
      calls::BiasActivationForward{.z = x.value().as_rows(), .activation = activation, .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x, activation, out] {
    write_gradient(tape, x, [&](const Rows& dx) {
      tape.kernels().run(calls::BiasActivationBackward{.dy = out.gradient().as_rows(),
                                                       .z = x.value().as_rows(),
                                                       .y = out.value().as_rows(),
                                                       .activation = activation,
                                                       .dz = dx});
    });
  });
  return out;
}

}  // namespace temper
