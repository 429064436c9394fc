#include "tensor/calls/logit_blocks.h"

namespace temper::calls {

KernelWork LogitStatistics::work() const {
  const bool writes = bias != nullptr || shape.scale != 1.0F || shape.soft_cap > 0.0F;
  return elementwise_work(
      writes ? std::initializer_list<ConstRows>{logits, logits} : std::initializer_list<ConstRows>{logits},
      shape.soft_cap > 0.0F ? 7.0 : 4.0);
}

KernelWork LogitLoss::work() const { return array_work(rows, sizeof(LogitRow) + sizeof(double), 8.0); }

KernelWork LogitGradient::work() const {
  return elementwise_work({logits, gradient}, shape.soft_cap > 0.0F ? 8.0 : 4.0);
}

}  // namespace temper::calls
