#include "tensor/calls/depthwise.h"

namespace temper::calls {

KernelWork DepthwiseForward::work() const {
  return elementwise_work({y, x, accumulate ? y : Rows()}, 2.0 * static_cast<double>(grid.taps()));
}

KernelWork DepthwiseWeightGradient::work() const {
  return elementwise_work({dy, x}, 2.0 * static_cast<double>(grid.taps()) + (d_bias != nullptr ? 1.0 : 0.0));
}

}  // namespace temper::calls
