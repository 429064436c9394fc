#include "tensor/calls/embedding.h"

namespace temper::calls {

KernelWork EmbeddingSumForward::work() const {
  const double sums = (positions != nullptr ? 1.0 : 0.0) + (types != nullptr ? 1.0 : 0.0);
  return elementwise_work({y, y, positions != nullptr ? y : Rows(), types != nullptr ? y : Rows()}, sums);
}

KernelWork EmbeddingBackward::work() const { return elementwise_work({dy, dy}, 1.0); }

KernelWork GatherRows::work() const { return elementwise_work({y, y}, 0.0); }

KernelWork ScatterRows::work() const { return elementwise_work({x, x}, 0.0); }

KernelWork ScatterAddRows::work() const { return elementwise_work({dy, dy, dy}, 1.0); }

}  // namespace temper::calls
