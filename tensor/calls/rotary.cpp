#include "tensor/calls/rotary.h"

namespace temper::calls {

KernelWork Rotate::work() const {
  const Rows turned(x.data, x.rows, heads * 2 * pairs(), x.stride, x.type);
  // Heads share sine and cosine, some ten operations each.
  return elementwise_work({turned, turned}, 3.0 + 10.0 / static_cast<double>(heads));
}

}  // namespace temper::calls
