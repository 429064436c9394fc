#include "tensor/calls/gated.h"

#include "tensor/calls/activation.h"

namespace temper::calls {

KernelWork GatedForward::work() const {
  return elementwise_work({gate, value, y}, 1.0 + activation_operations(activation));
}

KernelWork GatedBackward::work() const {
  return elementwise_work({dy, gate, value, d_gate, d_value}, 3.0 + 2.0 * activation_operations(activation));
}

}  // namespace temper::calls
