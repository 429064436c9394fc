#include "tensor/ops/norm.h"

#include "base/error.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

/// Both; the sum's variable only where somebody else is to read it.
NormedSum normed_sum(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                     const Variable& bias, float epsilon, TokenKeys names, const Dropout& dropout, bool gives_sum) {
  if (x.value().columns() != weight.value().size())
    throw Error("layer_norm: the input has shape {}, expected {} columns", x.shape().text(), weight.value().size());
  const std::int64_t rows = x.value().rows();
  const bool records = tape.records({&x, &residual, &weight, &bias});
  const DType type = x.value().type();
  const Tensor y = tape.empty(x.shape(), type);
  // The input itself is all there is to sum: then it is not copied.
  const bool is_input = !gives_sum && !residual.defined() && !dropout.active();
  Tensor sum;
  Tensor mean;
  Tensor rstd;
  if (!is_input && (records || gives_sum)) sum = tape.empty(x.shape(), type);
  if (records) {
    mean = tape.empty({rows});
    rstd = tape.empty({rows});
  }
  const auto pointer = [](const Tensor& t) { return t.defined() ? t.data<float>() : nullptr; };
  tape.kernels().run(calls::LayerNormForward{.x = x.value().as_rows(),
                                             .residual = residual.defined() ? residual.value().as_rows() : Rows(),
                                             .names = names,
                                             .dropout = dropout,
                                             .weight = weight.value().data<float>(),
                                             .bias = bias.defined() ? bias.value().data<float>() : nullptr,
                                             .epsilon = epsilon,
                                             .y = y.as_rows(),
                                             .sum = sum.as_rows(),
                                             .mean = pointer(mean),
                                             .rstd = pointer(rstd)});
  const NormedSum out{gives_sum ? Variable(sum, tape.records({&x, &residual})) : Variable(), Variable(y, records)};
  if (!records) return out;
  tape.record({&x, &residual, &weight, &bias}, [&tape, x, residual, weight, bias, names, dropout, is_input, sum, mean,
                                                rstd, out] {
    const GradientTarget d_weight = wanted_gradient(tape, weight);
    const GradientTarget d_bias = wanted_gradient(tape, bias);
    const GradientTarget d_residual = wanted_gradient(tape, residual);
    const bool has_d_sum = out.sum.defined() && out.sum.gradient_written();
    // Where only the sum was used.
    const Tensor dy = out.normed.gradient_written() ? out.normed.gradient() : tape.cleared_gradient_of(out.normed);
    const auto backward = [&](Rows dx) {
      tape.kernels().run(calls::LayerNormBackward{.dy = dy.as_rows(),
                                                  .sum = (is_input ? x.value() : sum).as_rows(),
                                                  .mean = mean.data<float>(),
                                                  .rstd = rstd.data<float>(),
                                                  .weight = weight.value().data<float>(),
                                                  .d_sum = has_d_sum ? out.sum.gradient().as_rows() : Rows(),
                                                  .names = names,
                                                  .dropout = dropout,
                                                  .dx = dx,
                                                  .d_residual = d_residual.tensor.as_rows(),
                                                  .accumulate_residual = d_residual.accumulate,
                                                  .d_weight = d_weight.parameter(),
                                                  .accumulate_weight = d_weight.accumulate,
                                                  .d_bias = d_bias.parameter(),
                                                  .accumulate_bias = d_bias.accumulate});
    };
    if (x.requires_gradient()) {
      write_gradient(tape, x, backward);
    } else {
      backward({});
    }
  });
  return out;
}

}  // namespace

Variable layer_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                    const Variable& bias, float epsilon, TokenKeys names, const Dropout& dropout) {
  return normed_sum(tape, x, residual, weight, bias, epsilon, names, dropout, /*gives_sum=*/false).normed;
}

NormedSum add_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                   const Variable& bias, float epsilon, TokenKeys names, const Dropout& dropout) {
  return normed_sum(tape, x, residual, weight, bias, epsilon, names, dropout, /*gives_sum=*/true);
}

}  // namespace temper
