#include "tensor/calls/pooling.h"

namespace temper::calls {

KernelWork MaxPoolForward::work() const { return elementwise_work({y, x}, static_cast<double>(grid.taps())); }

KernelWork MaxPoolBackward::work() const { return elementwise_work({dx, dy}, static_cast<double>(grid.taps())); }

}  // namespace temper::calls
