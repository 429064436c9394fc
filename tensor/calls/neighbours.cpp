#include "tensor/calls/neighbours.h"

namespace temper::calls {

KernelWork GatherNeighbours::work() const { return {0.0, bytes_of(x) + bytes_of(y), false}; }

KernelWork AddNeighbours::work() const {
  return {static_cast<double>(dy.rows) * static_cast<double>(dy.columns), bytes_of(dy) + bytes_of(dx), false};
}

}  // namespace temper::calls
