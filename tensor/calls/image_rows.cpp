#include "tensor/calls/image_rows.h"

namespace temper::calls {

KernelWork GatherPatches::work() const { return {0.0, bytes_of(x) + bytes_of(y), false}; }

KernelWork MixRows::work() const {
  const double sources = static_cast<double>(images * mixture.entries) * static_cast<double>(y.columns);
  return {2.0 * sources, bytes_of(x) + bytes_of(y), false};
}

KernelWork SumImages::work() const { return elementwise_work({x}, 1.0); }

KernelWork DropImages::work() const { return elementwise_work({x, y}, 1.0); }

}  // namespace temper::calls
