#include "tensor/calls/matmul.h"

#include "tensor/kernels.h"

namespace temper::calls {

KernelWork Matmul::work() const {
  const auto inner = static_cast<double>(transpose_a ? a.rows : a.columns);
  return {2.0 * static_cast<double>(c.rows) * static_cast<double>(c.columns) * inner,
          bytes_of(a) + bytes_of(b) + bytes_of(c) * (accumulate ? 2.0 : 1.0), a.type == DType::bf16};
}

KernelWork LinearForward::work() const {
  KernelWork work = Matmul{.a = x, .b = weight, .transpose_b = true, .c = y}.work();
  work.bytes += bytes_of(bias) + (z.data != y.data ? bytes_of(z) : 0.0);
  const double passes = (bias.data != nullptr ? 1.0 : 0.0) + activation_operations(activation);
  work.operations += passes * static_cast<double>(y.rows) * static_cast<double>(y.columns);
  return work;
}

void LinearForward::run_parts(Kernels& kernels) const {
  kernels.run(Matmul{.a = x, .b = weight, .transpose_b = true, .c = z});
  kernels.run(BiasActivationForward{.z = z, .bias = bias, .activation = activation, .y = y});
}

KernelWork LinearWeightGradient::work() const {
  const double weights = static_cast<double>(dz.columns) * static_cast<double>(x.columns);
  KernelWork work{2.0 * weights * static_cast<double>(dz.rows),
                  bytes_of(dz) + bytes_of(x) + weights * sizeof(float) * (accumulate_weight ? 2.0 : 1.0),
                  dz.type == DType::bf16};
  if (d_bias != nullptr) work.operations += static_cast<double>(dz.rows) * static_cast<double>(dz.columns);
  return work;
}

void LinearWeightGradient::run_parts(Kernels& kernels) const {
  kernels.run(Matmul{.a = dz, .transpose_a = true, .b = x, .c = d_weight, .accumulate = accumulate_weight});
  if (d_bias == nullptr) return;
  // With no activation, what is left is the sum over rows; dz is not written.
  const Rows same(const_cast<void*>(dz.data), dz.rows, dz.columns, dz.stride, dz.type);
  kernels.run(BiasActivationBackward{.dy = dz, .dz = same, .d_bias = d_bias, .accumulate_bias = accumulate_bias});
}

}  // namespace temper::calls
