#include "tensor/calls/activation.h"

namespace temper {

double activation_operations(Activation activation) {
  switch (activation) {
    case Activation::none:
      return 0.0;
    case Activation::relu:
    case Activation::relu_squared:
    case Activation::relu6:
    case Activation::leaky_relu:
      return 1.0;
    case Activation::sigmoid:
    case Activation::tanh:
      return 2.0;
    default:
      return 6.0;
  }
}

namespace calls {

KernelWork BiasActivationForward::work() const {
  return elementwise_work({z, z, z.data != y.data ? y : Rows()}, 1.0 + activation_operations(activation));
}

KernelWork BiasActivationBackward::work() const {
  const ConstRows kept = slope_reads_input(activation) ? z : slope_reads_output(activation) ? y : ConstRows();
  const bool writes = activation != Activation::none || dz.data != dy.data;
  return elementwise_work({dy, writes ? dz : ConstRows(), kept}, 1.0 + activation_operations(activation));
}

KernelWork ApplyDropout::work() const { return elementwise_work({x, y}, 2.0); }

KernelWork Copy::work() const { return elementwise_work({x, y, accumulate ? y : Rows()}, accumulate ? 1.0 : 0.0); }

KernelWork Clear::work() const { return array_work(rows * bytes, 1.0, 0.0); }

}  // namespace calls
}  // namespace temper
