#include "tensor/calls/optimizer_step.h"

namespace temper::calls {

KernelWork AdamW::work_of(std::int64_t n, bool rounds_to_bf16) {
  // Reads parameter, gradient and both moments, writes all but the gradient.
  return array_work(n, 28.0 + (rounds_to_bf16 ? 2.0 : 0.0), 14.0);
}

KernelWork Sgd::work_of(std::int64_t n, bool has_momenta, bool rounds_to_bf16) {
  return array_work(n, (has_momenta ? 20.0 : 12.0) + (rounds_to_bf16 ? 2.0 : 0.0), 6.0);
}

}  // namespace temper::calls
