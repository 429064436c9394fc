#include "tensor/calls/adafactor_step.h"

namespace temper::calls {

KernelWork FactoredSquareSums::work_of(std::int64_t n) { return array_work(n, 4.0, 3.0); }

KernelWork AdafactorSquareSums::work_of(std::int64_t n, bool has_squares) {
  return array_work(n, has_squares ? 16.0 : 8.0, has_squares ? 12.0 : 7.0);
}

KernelWork Adafactor::work_of(std::int64_t n, bool has_squares, bool rounds_to_bf16) {
  return array_work(n, (has_squares ? 16.0 : 12.0) + (rounds_to_bf16 ? 2.0 : 0.0), has_squares ? 6.0 : 5.0);
}

}  // namespace temper::calls
