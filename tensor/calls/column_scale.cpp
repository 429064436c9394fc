#include "tensor/calls/column_scale.h"

namespace temper::calls {

KernelWork ScaleColumns::work() const { return elementwise_work({x, y}, 1.0); }

KernelWork SumColumnProducts::work() const { return elementwise_work({a, b}, 2.0); }

}  // namespace temper::calls
