#include "tensor/ops.h"

#include <cmath>

#include "base/error.h"

namespace temper {
namespace {

Matrix matrix(const Tensor& x) { return {x.data<float>(), x.rows(), x.columns(), x.columns()}; }

Matrix like(float* data, const Tensor& x) { return {data, x.rows(), x.columns(), x.columns()}; }

const float* data_or_null(const Variable& variable) {
  return variable.defined() ? variable.value().data<float>() : nullptr;
}

/// Lets a kernel that can only overwrite write a gradient that may have been written before.
template <typename Write>
void write_gradient(Tape& tape, const Variable& variable, const Write& write) {
  const GradientTarget target = tape.gradient_of(variable);
  if (!target.accumulate) {
    write(target.data);
    return;
  }
  const Tensor fresh = tape.empty(variable.shape());
  write(fresh.data<float>());
  tape.kernels().copy(fresh.data<float>(), target.data, fresh.size(), /*accumulate=*/true);
}

void require_columns(const char* op, const Variable& x, std::int64_t columns) {
  if (x.value().columns() != columns)
    throw Error("{}: the input has shape {}, expected {} columns", op, x.shape().text(), columns);
}

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias, Activation activation) {
  require_columns("linear", x, weight.value().columns());
  const std::int64_t rows = x.value().rows();
  const Tensor z = tape.empty({rows, weight.value().rows()});
  tape.kernels().matmul(matrix(x.value()), false, matrix(weight.value()), true, matrix(z), false);

  const bool records = tape.records({&x, &weight, &bias});
  // Backward reads z for GELU and y for tanh and ReLU; only one of the two is kept.
  const bool reads_z = activation == Activation::gelu || activation == Activation::gelu_tanh;
  const Tensor y = reads_z && records ? tape.empty(z.shape()) : z;
  tape.kernels().bias_activation_forward(matrix(z), data_or_null(bias), activation, matrix(y));

  Variable out(y, records);
  if (!records) return out;
  const Tensor kept_z = reads_z ? z : Tensor();
  tape.record({&x, &weight, &bias}, [&tape, x, weight, bias, activation, kept_z, out] {
    const Matrix dy = matrix(out.gradient());
    const bool d_bias = bias.requires_gradient();
    if (activation != Activation::none || d_bias) {
      const GradientTarget target = d_bias ? tape.gradient_of(bias) : GradientTarget{};
      const ConstMatrix z_matrix = kept_z.defined() ? matrix(kept_z) : Matrix{};
      tape.kernels().bias_activation_backward(dy, z_matrix, matrix(out.value()), activation, dy, target.data,
                                              target.accumulate);
    }
    if (weight.requires_gradient()) {
      const GradientTarget target = tape.gradient_of(weight);
      tape.kernels().matmul(dy, true, matrix(x.value()), false, like(target.data, weight.value()), target.accumulate);
    }
    if (x.requires_gradient()) {
      const GradientTarget target = tape.gradient_of(x);
      tape.kernels().matmul(dy, false, matrix(weight.value()), false, like(target.data, x.value()), target.accumulate);
    }
  });
  return out;
}

Variable embedding_sum(Tape& tape, const EmbeddingIndices& indices, const Variable& words, const Variable& positions,
                       std::int64_t position_offset, const Variable& types) {
  const std::int64_t width = words.value().columns();
  const std::int64_t skipped = position_offset * width;
  const Tensor y = tape.empty({indices.ids.size(), width});
  tape.kernels().embedding_sum_forward(
      words.value().data<float>(), indices.ids.data<std::int32_t>(), positions.value().data<float>() + skipped,
      indices.positions.data<std::int32_t>(), data_or_null(types), indices.types.data<std::int32_t>(), matrix(y));
  const bool records = tape.records({&words, &positions, &types});
  Variable out(y, records);
  if (!records) return out;
  tape.record({&words, &positions, &types}, [&tape, indices, words, positions, skipped, types, out] {
    const Matrix dy = matrix(out.gradient());
    const auto scatter = [&](const Variable& table, const Tensor& ids, std::int64_t offset) {
      if (!table.requires_gradient()) return;
      tape.kernels().embedding_backward(dy, ids.data<std::int32_t>(), tape.cleared_gradient_of(table) + offset);
    };
    scatter(words, indices.ids, 0);
    scatter(positions, indices.positions, skipped);
    if (types.defined()) scatter(types, indices.types, 0);
  });
  return out;
}

Variable layer_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                    const Variable& bias, float epsilon, RowNames names, const Dropout& dropout) {
  require_columns("layer_norm", x, weight.value().size());
  const std::int64_t rows = x.value().rows();
  const bool records = tape.records({&x, &residual, &weight, &bias});
  const Tensor y = tape.empty(x.shape());
  Tensor sum;
  Tensor mean;
  Tensor rstd;
  if (records) {
    sum = tape.empty(x.shape());
    mean = tape.empty({rows});
    rstd = tape.empty({rows});
  }
  const auto pointer = [](const Tensor& t) { return t.defined() ? t.data<float>() : nullptr; };
  tape.kernels().layer_norm_forward(matrix(x.value()), residual.defined() ? matrix(residual.value()) : Matrix{}, names,
                                    dropout, weight.value().data<float>(), bias.value().data<float>(), epsilon,
                                    matrix(y), pointer(sum), pointer(mean), pointer(rstd));
  Variable out(y, records);
  if (!records) return out;
  tape.record({&x, &residual, &weight, &bias},
              [&tape, x, residual, weight, bias, names, dropout, sum, mean, rstd, out] {
                const auto target_of = [&](const Variable& variable) {
                  return variable.requires_gradient() ? tape.gradient_of(variable) : GradientTarget{};
                };
                const GradientTarget d_weight = target_of(weight);
                const GradientTarget d_bias = target_of(bias);
                const GradientTarget d_residual = target_of(residual);
                const auto backward = [&](float* dx) {
                  tape.kernels().layer_norm_backward(matrix(out.gradient()), sum.data<float>(), mean.data<float>(),
                                                     rstd.data<float>(), weight.value().data<float>(), names, dropout,
                                                     dx, d_residual.data, d_residual.accumulate, d_weight.data,
                                                     d_weight.accumulate, d_bias.data, d_bias.accumulate);
                };
                if (x.requires_gradient()) {
                  write_gradient(tape, x, backward);
                } else {
                  backward(nullptr);
                }
              });
  return out;
}

Variable attention(Tape& tape, const Variable& q, const Variable& k, const Variable& v,
                   const PackedSequences& sequences, std::int64_t heads, const Dropout& dropout) {
  const std::int64_t width = q.value().columns();
  require_columns("attention", k, width);
  require_columns("attention", v, width);
  if (width % heads != 0) throw Error("attention: a width of {} cannot be cut into {} heads", width, heads);
  const float scale = 1.0F / std::sqrt(static_cast<float>(width / heads));
  const bool records = tape.records({&q, &k, &v});
  const Tensor y = tape.empty(q.shape());
  const Tensor log_sum_exp = records ? tape.empty({heads, q.value().rows()}) : Tensor();
  tape.kernels().attention_forward(matrix(q.value()), matrix(k.value()), matrix(v.value()), sequences, heads, scale,
                                   dropout, matrix(y), records ? log_sum_exp.data<float>() : nullptr);
  Variable out(y, records);
  if (!records) return out;
  tape.record({&q, &k, &v}, [&tape, q, k, v, sequences, heads, scale, dropout, log_sum_exp, out] {
    // The kernel computes the three gradients together; one that nobody needs goes into a buffer that is dropped.
    const auto buffer_of = [&](const Variable& x) {
      return x.requires_gradient() && !x.gradient_written() ? Tensor::view(tape.gradient_of(x).data, x.shape())
                                                            : tape.empty(x.shape());
    };
    const Tensor dq = buffer_of(q);
    const Tensor dk = buffer_of(k);
    const Tensor dv = buffer_of(v);
    tape.kernels().attention_backward(matrix(q.value()), matrix(k.value()), matrix(v.value()), matrix(out.value()),
                                      matrix(out.gradient()), log_sum_exp.data<float>(), sequences, heads, scale,
                                      dropout, matrix(dq), matrix(dk), matrix(dv));
    const auto add_if_separate = [&](const Variable& x, const Tensor& dx) {
      if (!x.requires_gradient() || x.gradient().data<float>() == dx.data<float>()) return;
      tape.kernels().copy(dx.data<float>(), tape.gradient_of(x).data, dx.size(), /*accumulate=*/true);
    };
    add_if_separate(q, dq);
    add_if_separate(k, dk);
    add_if_separate(v, dv);
  });
  return out;
}

Variable dropout(Tape& tape, const Variable& x, RowNames names, const Dropout& dropout) {
  if (!dropout.active()) return x;
  const Tensor y = tape.empty(x.shape());
  tape.kernels().dropout(matrix(x.value()), names, dropout, matrix(y));
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x, names, dropout, out] {
    write_gradient(tape, x, [&](float* dx) {
      tape.kernels().dropout(matrix(out.gradient()), names, dropout, like(dx, x.value()));
    });
  });
  return out;
}

Variable gather_rows(Tape& tape, const Variable& x, const Tensor& rows) {
  const Tensor y = tape.empty({rows.size(), x.value().columns()});
  tape.kernels().gather_rows(matrix(x.value()), rows.data<std::int32_t>(), matrix(y));
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x, rows, out] {
    float* dx = tape.cleared_gradient_of(x);
    tape.kernels().scatter_add_rows(matrix(out.gradient()), rows.data<std::int32_t>(), like(dx, x.value()));
  });
  return out;
}

LossSum cross_entropy(Tape& tape, const Variable& logits, const Tensor& labels, const Tensor& class_weights,
                      float label_smoothing) {
  const Tensor gradient = logits.requires_gradient() ? tape.empty(logits.shape()) : Tensor();
  const LossSum loss = tape.kernels().cross_entropy(matrix(logits.value()), labels.data<std::int32_t>(),
                                                    class_weights.defined() ? class_weights.data<float>() : nullptr,
                                                    label_smoothing, gradient.defined() ? matrix(gradient) : Matrix{});
  if (gradient.defined()) Tape::set_gradient(logits, gradient);
  return loss;
}

LossSum binary_cross_entropy(Tape& tape, const Variable& logits, const Tensor& targets) {
  const Tensor gradient = logits.requires_gradient() ? tape.empty(logits.shape()) : Tensor();
  const LossSum loss = tape.kernels().binary_cross_entropy(matrix(logits.value()), targets.data<float>(),
                                                           gradient.defined() ? matrix(gradient) : Matrix{});
  if (gradient.defined()) Tape::set_gradient(logits, gradient);
  return loss;
}

LossSum mean_squared_error(Tape& tape, const Variable& predictions, const Tensor& targets) {
  const Tensor gradient = predictions.requires_gradient() ? tape.empty(predictions.shape()) : Tensor();
  const LossSum loss = tape.kernels().mean_squared_error(matrix(predictions.value()), targets.data<float>(),
                                                         gradient.defined() ? matrix(gradient) : Matrix{});
  if (gradient.defined()) Tape::set_gradient(predictions, gradient);
  return loss;
}

}  // namespace temper
