#include "tensor/calls/embedding.h"

namespace temper::calls {

KernelWork EmbeddingSumForward::work() const {
  return elementwise_work({y, y, y, types != nullptr ? y : Rows()}, types != nullptr ? 2.0 : 1.0);
}

KernelWork EmbeddingBackward::work() const { return elementwise_work({dy, dy}, 1.0); }

KernelWork GatherRows::work() const { return elementwise_work({y, y}, 0.0); }

KernelWork ScatterAddRows::work() const { return elementwise_work({dy, dy, dy}, 1.0); }

}  // namespace temper::calls
