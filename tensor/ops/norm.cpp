#include "tensor/ops/norm.h"

#include "base/error.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

/// Null where there are none.
float* floats_of(const Tensor& tensor) { return tensor.defined() ? tensor.data<float>() : nullptr; }

/// The norm of the rows of `sum`, which forward has normed before.
Tensor norm_again(const Tape& tape, const Tensor& sum, const Variable& weight, const Variable& bias,
                  const NormShape& shape) {
  Tensor y = tape.empty(sum.shape(), sum.type());
  tape.kernels().run(calls::LayerNormForward{.x = sum.as_rows(),
                                             .weight = weight.value().data<float>(),
                                             .bias = bias.defined() ? bias.value().data<float>() : nullptr,
                                             .epsilon = shape.epsilon,
                                             .kind = shape.kind,
                                             .weight_offset = shape.weight_offset,
                                             .y = y.as_rows()});
  return y;
}

/// Both; the sum's variable only where somebody else is to read it.
NormedSum normed_sum(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                     const Variable& bias, const NormShape& shape, TokenKeys names, const Dropout& dropout,
                     bool gives_sum) {
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
    if (shape.kind == NormKind::layer) mean = tape.empty({rows});
    rstd = tape.empty({rows});
  }
  tape.kernels().run(calls::LayerNormForward{.x = x.value().as_rows(),
                                             .residual = residual.defined() ? residual.value().as_rows() : Rows(),
                                             .names = names,
                                             .dropout = dropout,
                                             .weight = weight.value().data<float>(),
                                             .bias = bias.defined() ? bias.value().data<float>() : nullptr,
                                             .epsilon = shape.epsilon,
                                             .kind = shape.kind,
                                             .weight_offset = shape.weight_offset,
                                             .y = y.as_rows(),
                                             .sum = sum.as_rows(),
                                             .mean = floats_of(mean),
                                             .rstd = floats_of(rstd)});
  const NormedSum out{gives_sum ? Variable(sum, tape.records({&x, &residual})) : Variable(), Variable(y, records)};
  if (!records) return out;
  const Tensor normed_rows = is_input ? x.value() : sum;
  tape.computes_again(out.normed, [&tape, normed_rows, weight, bias, shape] {
    return norm_again(tape, normed_rows, weight, bias, shape);
  });
  tape.record({&x, &residual, &weight, &bias}, [&tape, x = x.without_value(), residual = residual.without_value(),
                                                weight, bias, names, dropout, normed_rows, mean, rstd, shape,
                                                out_sum = out.sum.without_value(), out = out.normed.without_value()] {
    const GradientTarget d_weight = wanted_gradient(tape, weight);
    const GradientTarget d_bias = wanted_gradient(tape, bias);
    const GradientTarget d_residual = wanted_gradient(tape, residual);
    const bool has_d_sum = out_sum.defined() && out_sum.gradient_written();
    // Where only the sum was used.
    const Tensor dy = out.gradient_written() ? out.gradient() : tape.cleared_gradient_of(out);
    const auto backward = [&](Rows dx) {
      tape.kernels().run(calls::LayerNormBackward{.dy = dy.as_rows(),
                                                  .sum = normed_rows.as_rows(),
                                                  .mean = floats_of(mean),
                                                  .rstd = floats_of(rstd),
                                                  .weight = weight.value().data<float>(),
                                                  .kind = shape.kind,
                                                  .weight_offset = shape.weight_offset,
                                                  .d_sum = has_d_sum ? out_sum.gradient().as_rows() : Rows(),
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

/// A matrix of heads side by side as the norm takes them: all heads below each other, or one after the other where that
/// cannot be, or where each has weights of its own.
class HeadMatrices {
 public:
  HeadMatrices(const Variable& x, const Variable& weight, std::int64_t heads)
      : rows_(x.value().rows()), heads_(heads), width_(x.value().columns() / heads) {
    owns_weights_ = weight.value().size() == heads * width_;
    parts_ = (owns_weights_ && heads > 1) || !x.value().is_contiguous() ? heads : 1;
  }
  [[nodiscard]] std::int64_t parts() const { return parts_; }
  /// Of one part.
  [[nodiscard]] std::int64_t rows() const { return rows_ * heads_ / parts_; }
  [[nodiscard]] Rows part(const Rows& of, std::int64_t i) const {
    if (of.data == nullptr) return of;
    if (parts_ == 1) return {of.data, rows(), width_, width_, of.type};
    return {of.at(0, i * width_), rows_, width_, of.stride, of.type};
  }
  /// Where the weights of a part begin, or their gradient, which may be null.
  [[nodiscard]] float* weights(float* all, std::int64_t i) const {
    return all != nullptr && owns_weights_ ? all + i * width_ : all;
  }
  /// Whether a part before this one has written the gradient of the same weights.
  [[nodiscard]] bool adds_to_weights(std::int64_t i) const { return i > 0 && !owns_weights_; }

 private:
  std::int64_t rows_;
  std::int64_t heads_;
  std::int64_t width_;
  bool owns_weights_ = false;
  std::int64_t parts_ = 1;
};

}  // namespace

Variable layer_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                    const Variable& bias, const NormShape& shape, TokenKeys names, const Dropout& dropout) {
  return normed_sum(tape, x, residual, weight, bias, shape, names, dropout, /*gives_sum=*/false).normed;
}

NormedSum add_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                   const Variable& bias, const NormShape& shape, TokenKeys names, const Dropout& dropout) {
  return normed_sum(tape, x, residual, weight, bias, shape, names, dropout, /*gives_sum=*/true);
}

Variable norm_heads(Tape& tape, const Variable& x, const Variable& weight, std::int64_t heads, const NormShape& shape) {
  const std::int64_t columns = x.value().columns();
  const std::int64_t weights = weight.value().size();
  if (columns % heads != 0 || (weights != columns && weights != columns / heads))
    throw Error("norm_heads: the input has shape {} and the weight {}, expected {} heads of the weight's width",
                x.shape().text(), weight.shape().text(), heads);
  const HeadMatrices matrices(x, weight, heads);
  const bool records = tape.records({&x, &weight});
  const Tensor y = tape.empty(x.shape(), x.value().type());
  Tensor mean;
  Tensor rstd;
  if (records) {
    if (shape.kind == NormKind::layer) mean = tape.empty({x.value().rows() * heads});
    rstd = tape.empty({x.value().rows() * heads});
  }
  const auto of_part = [rows = matrices.rows()](const Tensor& statistics, std::int64_t i) {
    return statistics.defined() ? statistics.data<float>() + i * rows : nullptr;
  };
  for (std::int64_t i = 0; i < matrices.parts(); ++i)
    tape.kernels().run(calls::LayerNormForward{.x = matrices.part(x.value().as_rows(), i),
                                               .weight = matrices.weights(weight.value().data<float>(), i),
                                               .epsilon = shape.epsilon,
                                               .kind = shape.kind,
                                               .weight_offset = shape.weight_offset,
                                               .y = matrices.part(y.as_rows(), i),
                                               .mean = of_part(mean, i),
                                               .rstd = of_part(rstd, i)});
  Variable out(y, records);
  if (!records) return out;
  tape.record({&x, &weight}, [&tape, x, weight, matrices, shape, mean, rstd, of_part, out = out.without_value()] {
    const GradientTarget d_weight = wanted_gradient(tape, weight);
    const auto backward = [&](Rows dx) {
      for (std::int64_t i = 0; i < matrices.parts(); ++i)
        tape.kernels().run(
            calls::LayerNormBackward{.dy = matrices.part(out.gradient().as_rows(), i),
                                     .sum = matrices.part(x.value().as_rows(), i),
                                     .mean = of_part(mean, i),
                                     .rstd = of_part(rstd, i),
                                     .weight = matrices.weights(weight.value().data<float>(), i),
                                     .kind = shape.kind,
                                     .weight_offset = shape.weight_offset,
                                     .dx = matrices.part(dx, i),
                                     .d_weight = matrices.weights(d_weight.parameter(), i),
                                     .accumulate_weight = d_weight.accumulate || matrices.adds_to_weights(i)});
    };
    if (x.requires_gradient()) {
      write_gradient(tape, x, backward);
    } else {
      backward({});
    }
  });
  return out;
}

}  // namespace temper
