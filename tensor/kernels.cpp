#include "tensor/kernels.h"

namespace temper {

void Kernels::linear_forward(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, Rows z, Rows y) {
  whole().matmul(x, false, weight, true, z, false);
  whole().bias_activation_forward(z, bias, activation, y);
}

void Kernels::linear_weight_gradient(ConstRows dz, ConstRows x, Matrix d_weight, bool accumulate_weight, float* d_bias,
                                     bool accumulate_bias) {
  whole().matmul(dz, true, x, false, d_weight, accumulate_weight);
  if (d_bias == nullptr) return;
  // With no activation, what is left is the sum over rows; dz is not written.
  const Rows same(const_cast<void*>(dz.data), dz.rows, dz.columns, dz.stride, dz.type);
  whole().bias_activation_backward(dz, {}, {}, Activation::none, same, d_bias, accumulate_bias);
}

}  // namespace temper
