#include "tensor/ops/low_rank.h"

#include <cmath>

#include "base/error.h"
#include "tensor/ops/gradients.h"

namespace temper {
Variable add_product(Tape& tape, const Variable& sum, const Variable& x, const Variable& weight) {
  const Tensor& value = sum.value();
  if (x.value().columns() != weight.value().columns() || value.rows() != x.value().rows() ||
      value.columns() != weight.value().rows())
    throw Error("add_product: the product of {} and the transpose of {} cannot be added to {}", x.shape().text(),
                weight.shape().text(), sum.shape().text());
  tape.kernels().run(calls::Matmul{.a = x.value().as_rows(),
                                   .b = weight.compute_copy().as_rows(),
                                   .transpose_b = true,
                                   .c = value.as_rows(),
                                   .accumulate = true});
  Variable out(value, tape.records({&sum, &x, &weight}));
  if (!out.requires_gradient()) return out;
  sum.keep_value();
  tape.record({&sum, &x, &weight},
              [&tape, sum = sum.without_value(), x = weight.requires_gradient() ? x : x.without_value(), weight,
               out = out.without_value()] {
                const Tensor dy = out.gradient();
                if (weight.requires_gradient()) {
                  const GradientTarget d_weight = tape.gradient_of(weight);
                  tape.kernels().run(calls::LinearWeightGradient{.dz = dy.as_rows(),
                                                                 .x = x.value().as_rows(),
                                                                 .d_weight = d_weight.tensor.as_rows().as<float>(),
                                                                 .accumulate_weight = d_weight.accumulate});
                }
                if (x.requires_gradient()) {
                  const GradientTarget dx = tape.gradient_of(x);
                  tape.kernels().run(calls::Matmul{.a = dy.as_rows(),
                                                   .b = weight.compute_copy().as_rows(),
                                                   .c = dx.tensor.as_rows(),
                                                   .accumulate = dx.accumulate});
                }
                if (sum.requires_gradient()) tape.give_gradient(sum, dy);
              });
  return out;
}

Variable add_bias(Tape& tape, const Variable& x, const Variable& bias) {
  const Tensor& value = x.value();
  tape.kernels().run(
      calls::BiasActivationForward{.z = value.as_rows(), .bias = bias.compute_copy().as_row(), .y = value.as_rows()});
  Variable out(value, tape.records({&x, &bias}));
  if (!out.requires_gradient()) return out;
  x.keep_value();
  tape.record({&x, &bias}, [&tape, x = x.without_value(), bias, out = out.without_value()] {
    const Tensor dy = out.gradient();
    if (bias.requires_gradient()) {
      const GradientTarget d_bias = tape.gradient_of(bias);
      tape.kernels().run(calls::BiasActivationBackward{
          .dy = dy.as_rows(), .dz = dy.as_rows(), .d_bias = d_bias.parameter(), .accumulate_bias = d_bias.accumulate});
    }
    if (x.requires_gradient()) tape.give_gradient(x, dy);
  });
  return out;
}

Tensor inverse_row_norms(Tape& tape, const Tensor& x, const Tensor& ones) {
  // A root-mean-square norm keeps what it divides by: 1 / sqrt(mean of squares).
  const Tensor normed = tape.empty(x.shape());
  const Tensor inverse = tape.empty({x.rows()});
  const Tensor unused_mean = tape.empty({x.rows()});
  tape.kernels().run(calls::LayerNormForward{.x = x.as_rows(),
                                             .weight = ones.data<float>(),
                                             .epsilon = 0.0F,
                                             .kind = NormKind::root_mean_square,
                                             .y = normed.as_rows(),
                                             .mean = unused_mean.data<float>(),
                                             .rstd = inverse.data<float>()});
  const auto factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(x.columns())));
  tape.kernels().run(calls::ScaleRows{.x = inverse.as_row(), .factor = factor, .y = inverse.as_row()});
  return inverse;
}

Variable scale_columns(Tape& tape, const Variable& x, const Variable& magnitudes, const Tensor& inverse_norms,
                       const Tensor& ones) {
  const std::int64_t rows = x.value().rows();
  const std::int64_t columns = x.value().columns();
  const DType type = x.value().type();
  if (magnitudes.value().size() != columns || inverse_norms.size() != columns)
    throw Error("scale_columns: {} magnitudes and {} norms were given for {} columns", magnitudes.value().size(),
                inverse_norms.size(), columns);
  // factor - 1, of each column.
  const Tensor difference = tape.empty({1, columns});
  const Rows row = difference.as_rows();
  tape.kernels().run(calls::MultiplyRows{.a = magnitudes.value().as_row(), .b = inverse_norms.as_row(), .y = row});
  tape.kernels().run(calls::ScaleRows{
      .x = Rows(ones.data<float>(), 1, columns, columns, DType::f32), .factor = -1.0F, .y = row, .accumulate = true});
  // The same in every row, in the type of x.
  const Tensor factors = tape.empty({1, columns}, type);
  tape.kernels().run(calls::Copy{.x = row, .y = factors.as_rows()});
  const Tensor numbers = tape.empty({rows}, DType::i32);
  tape.kernels().run(calls::Clear{.data = numbers.bytes(), .bytes = numbers.size_bytes()});
  // The row alone is kept for backward.
  const auto scaled = [&tape, factors, numbers](const Tensor& from) {
    const Tensor spread = tape.empty(from.shape(), from.type());
    tape.kernels().run(
        calls::GatherRows{.x = factors.as_rows(), .rows = numbers.data<std::int32_t>(), .y = spread.as_rows()});
    const Tensor y = tape.empty(from.shape(), from.type());
    tape.kernels().run(calls::MultiplyRows{.a = from.as_rows(), .b = spread.as_rows(), .y = y.as_rows()});
    tape.kernels().run(calls::AddRows{.a = y.as_rows(), .b = from.as_rows(), .y = y.as_rows()});
    return y;
  };
  Variable out(scaled(x.value()), tape.records({&x, &magnitudes}));
  if (!out.requires_gradient()) return out;
  tape.record({&x, &magnitudes}, [&tape, x = magnitudes.requires_gradient() ? x : x.without_value(), magnitudes,
                                  inverse_norms, scaled, columns, out = out.without_value()] {
    const Tensor dy = out.gradient();
    if (magnitudes.requires_gradient()) {
      const Tensor products = tape.empty(dy.shape(), dy.type());
      tape.kernels().run(calls::MultiplyRows{.a = dy.as_rows(), .b = x.value().as_rows(), .y = products.as_rows()});
      const Tensor sums = tape.empty({columns});
      tape.kernels().run(calls::BiasActivationBackward{
          .dy = products.as_rows(), .dz = products.as_rows(), .d_bias = sums.data<float>()});
      const GradientTarget target = tape.gradient_of(magnitudes);
      tape.kernels().run(calls::MultiplyRows{.a = sums.as_row(),
                                             .b = inverse_norms.as_row(),
                                             .y = target.tensor.as_row(),
                                             .accumulate = target.accumulate});
    }
    if (x.requires_gradient()) tape.give_gradient(x, scaled(dy));
  });
  return out;
}

}  // namespace temper
