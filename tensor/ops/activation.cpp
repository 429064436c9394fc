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
  const bool reads_x = slope_reads_input(activation);
  tape.record({&x}, [&tape, x = x.without_value(), activation, kept_x = reads_x ? x.value() : Tensor(),
                     kept_y = reads_x ? Tensor() : y, out = out.without_value()] {
    write_gradient(tape, x, [&](const Rows& dx) {
      tape.kernels().run(calls::BiasActivationBackward{.dy = out.gradient().as_rows(),
                                                       .z = kept_x.as_rows(),
                                                       .y = kept_y.as_rows(),
                                                       .activation = activation,
                                                       .dz = dx});
    });
  });
  return out;
}

}  // namespace temper
