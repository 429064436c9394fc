#include "tensor/calls/reduction.h"

namespace temper::calls {

KernelWork Add::work_of(std::int64_t n) { return array_work(n, 12.0, 1.0); }

KernelWork AddTree::work() const {
  // One input that lies where the sum goes is left there.
  const bool stays = inputs.size() == 1 && inputs.front() == out;
  const auto count = static_cast<double>(inputs.size());
  return array_work(stays ? 0 : n, 4.0 * (count + 1.0), count > 0.0 ? count - 1.0 : 0.0);
}

KernelWork ChunkSquareSums::work_of(std::int64_t n) { return array_work(n, 4.0, 2.0); }

}  // namespace temper::calls
