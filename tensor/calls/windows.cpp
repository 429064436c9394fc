#include "tensor/calls/windows.h"

#include <algorithm>

#include "tensor/kernels.h"

namespace temper::calls {

KernelWork GatherWindows::work() const { return {0.0, bytes_of(x) + bytes_of(y), false}; }

KernelWork ScatterPlaces::work() const { return {0.0, bytes_of(x) * (accumulate ? 3.0 : 2.0), false}; }

KernelWork WindowProduct::work() const {
  const auto inner = static_cast<double>(grid.taps() * x.columns);
  return {2.0 * static_cast<double>(y.rows) * static_cast<double>(y.columns) * inner,
          bytes_of(x) + bytes_of(weight) + bytes_of(bias) + bytes_of(y) * (accumulate ? 2.0 : 1.0),
          x.type == DType::bf16};
}

void WindowProduct::run_parts(Kernels& kernels) const {
  const std::int64_t rows = y.rows;
  for (std::int64_t begin = 0; begin < rows; begin += room.rows) {
    const std::int64_t count = std::min(room.rows, rows - begin);
    const Rows windows = room.part(0, count);
    kernels.run(GatherWindows{.x = x, .grid = grid, .first = begin, .y = windows});
    const Rows of_y = y.part(begin, count);
    if (weight_is_transposed || accumulate) {
      kernels.run(
          Matmul{.a = windows, .b = weight, .transpose_b = !weight_is_transposed, .c = of_y, .accumulate = accumulate});
      if (bias.data != nullptr) kernels.run(BiasActivationForward{.z = of_y, .bias = bias, .y = of_y});
    } else {
      kernels.run(LinearForward{.x = windows, .weight = weight, .bias = bias, .z = of_y, .y = of_y});
    }
  }
}

KernelWork WindowWeightGradient::work() const {
  const double weights = static_cast<double>(d_weight.rows) * static_cast<double>(d_weight.columns);
  KernelWork work{2.0 * weights * static_cast<double>(dz.rows),
                  bytes_of(dz) + bytes_of(x) + weights * sizeof(float) * (accumulate_weight ? 2.0 : 1.0),
                  dz.type == DType::bf16};
  if (d_bias != nullptr) work.operations += static_cast<double>(dz.rows) * static_cast<double>(dz.columns);
  return work;
}

void WindowWeightGradient::run_parts(Kernels& kernels) const {
  for (std::int64_t begin = 0; begin < dz.rows; begin += room.rows) {
    const std::int64_t count = std::min(room.rows, dz.rows - begin);
    const Rows windows = room.part(0, count);
    kernels.run(GatherWindows{.x = x, .grid = grid, .first = begin, .y = windows});
    kernels.run(LinearWeightGradient{.dz = dz.part(begin, count),
                                     .x = windows,
                                     .d_weight = d_weight,
                                     .accumulate_weight = accumulate_weight || begin > 0,
                                     .d_bias = d_bias,
                                     .accumulate_bias = accumulate_bias || begin > 0});
  }
}

}  // namespace temper::calls
