#include "tensor/calls/lion_step.h"

namespace temper::calls {

KernelWork Lion::work_of(std::int64_t n, bool rounds_to_bf16) {
  return array_work(n, 20.0 + (rounds_to_bf16 ? 2.0 : 0.0), 11.0);
}

}  // namespace temper::calls
