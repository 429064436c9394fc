#include "tensor/calls/layer_norm.h"

namespace temper::calls {

KernelWork LayerNormForward::work() const {
  return elementwise_work({x, residual, y, sum.data != x.data ? sum : Rows()}, dropout.active() ? 10.0 : 8.0);
}

KernelWork LayerNormBackward::work() const {
  return elementwise_work({dy, sum, d_sum, dx, d_residual, accumulate_residual ? d_residual : Rows()},
                          dropout.active() ? 14.0 : 12.0);
}

}  // namespace temper::calls
