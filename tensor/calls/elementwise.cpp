#include "tensor/calls/elementwise.h"

namespace temper::calls {

KernelWork AddRows::work() const { return elementwise_work({a, b, y}, dropout.active() ? 3.0 : 1.0); }

KernelWork MultiplyRows::work() const {
  return elementwise_work({a, b, y, accumulate ? y : Rows()}, accumulate ? 2.0 : 1.0);
}

KernelWork ScaleRows::work() const { return elementwise_work({x, y, accumulate ? y : Rows()}, accumulate ? 2.0 : 1.0); }

}  // namespace temper::calls
