#include "model/layers/absorbed_attention.h"

#include <span>
#include <vector>

#include "base/error.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

/// Columns [first, first + count) of a matrix.
template <typename AnyRows>
AnyRows columns_of(const AnyRows& x, std::int64_t first, std::int64_t count) {
  return {x.at(0, first), x.rows, count, x.stride, x.type};
}

/// Elements of a bias as one column.
Rows as_column(const Tensor& bias, std::int64_t first, std::int64_t count) {
  return {bias.data<float>() + first, count, 1, 1, DType::f32};
}

/// x beside a column and zeros up to `columns`.
Tensor beside(Tape& tape, const Tensor& x, ConstRows column, std::int64_t columns) {
  Tensor wide = tape.device().zeros({x.rows(), columns});
  tape.kernels().run(calls::Copy{.x = x.as_rows(), .y = columns_of(wide.as_rows(), 0, x.columns())});
  tape.kernels().run(calls::Copy{.x = column, .y = columns_of(wide.as_rows(), x.columns(), 1)});
  return wide;
}

void require_square(const char* op, const char* what, const Projection& projection, std::int64_t width) {
  const Tensor& weight = projection.weight.value();
  if (weight.rows() != width || weight.columns() != width)
    throw Error("{}: the {} has shape {}, expected [{}, {}]", op, what, projection.weight.shape().text(), width, width);
  if (!projection.bias.defined() || projection.bias.value().size() != width)
    throw Error("{}: the {} needs a bias of {} elements", op, what, width);
}

}  // namespace

bool absorbs_projections(const Tape& tape) {
  return tape.device().kind() == DeviceKind::cpu && tape.activations() == DType::f32;
}

// For each head h with its rows K, V of the weights, x' being x beside a column of ones, and u, z [queries, columns]:
//   u = q K,  z = attention(u, x', x'),  y = z V'^T,
// V' being V beside its bias: what z has in the column of ones is the sum of the probabilities.
Variable attention_over_inputs(Tape& tape, const Variable& q, const Variable& x, const Projection& key,
                               const Projection& value, const PackedSequences& sequences, std::int64_t heads,
                               const Dropout& dropout) {
  constexpr const char* kOp = "attention_over_inputs";
  constexpr std::int64_t kWholeVectors = 16;
  const std::int64_t width = x.value().columns();
  if (q.value().columns() != width)
    throw Error("{}: the input has shape {}, expected {} columns", kOp, q.shape().text(), width);
  require_square(kOp, "key", key, width);
  require_square(kOp, "value", value, width);
  if (width % heads != 0) throw Error("attention: a width of {} cannot be cut into {} heads", width, heads);
  if (!absorbs_projections(tape)) throw Error("{}: not for this device or type of activations", kOp);
  const std::int64_t head_width = width / heads;
  const std::int64_t columns = (width + kWholeVectors) / kWholeVectors * kWholeVectors;
  const std::int64_t queries = q.value().rows();
  const AttentionShape shape{heads, 1, columns, columns, AttentionShape::plain(heads, head_width).scale};
  const bool records = tape.records({&q, &x, &key.weight, &key.bias, &value.weight, &value.bias});
  const Shape wide{queries, heads * columns};

  const std::vector<float> ones(static_cast<std::size_t>(x.value().rows()), 1.0F);
  const Tensor column_of_ones = tape.device().upload(std::span<const float>(ones), {x.value().rows(), 1});
  const Tensor keys = beside(tape, x.value(), column_of_ones.as_rows(), columns);
  const Tensor value_and_bias =
      beside(tape, value.weight.compute_copy(), as_column(value.bias.compute_copy(), 0, width), columns);
  const Tensor u = tape.device().zeros(wide);
  const Tensor z = tape.empty(wide);
  const Tensor y = tape.empty(q.shape());
  const Tensor log_sum_exp = records ? tape.empty({heads, queries}) : Tensor();
  const auto whole_of = [=](const Tensor& all, std::int64_t head) {
    return columns_of(all.as_rows(), head * columns, columns);
  };
  const auto inputs_of = [=](const Tensor& all, std::int64_t head) {
    return columns_of(all.as_rows(), head * columns, width);
  };
  const auto ones_of = [=](const Tensor& all, std::int64_t head) {
    return columns_of(all.as_rows(), head * columns + width, 1);
  };
  const auto of_head = [=](const Tensor& all, std::int64_t head) {
    return columns_of(all.as_rows(), head * head_width, head_width);
  };
  const auto weight_of = [=](const Tensor& weight, std::int64_t head) {
    return weight.as_rows().part(head * head_width, head_width);
  };
  Kernels& kernels = tape.kernels();
  for (std::int64_t h = 0; h < heads; ++h)
    kernels.run(
        calls::Matmul{.a = of_head(q.value(), h), .b = weight_of(key.weight.compute_copy(), h), .c = inputs_of(u, h)});
  kernels.run(calls::AttentionForward{.q = u.as_rows(),
                                      .k = keys.as_rows(),
                                      .v = keys.as_rows(),
                                      .sequences = sequences,
                                      .shape = shape,
                                      .dropout = dropout,
                                      .out = z.as_rows(),
                                      .log_sum_exp = records ? log_sum_exp.data<float>() : nullptr});
  for (std::int64_t h = 0; h < heads; ++h)
    kernels.run(
        calls::Matmul{.a = whole_of(z, h), .b = weight_of(value_and_bias, h), .transpose_b = true, .c = of_head(y, h)});
  Variable out(y, records);
  if (!records) return out;
  tape.record(
      {&q, &x, &key.weight, &key.bias, &value.weight, &value.bias},
      [=, &tape, key_weight = key.weight, key_bias = key.bias, value_weight = value.weight, value_bias = value.bias] {
        Kernels& again = tape.kernels();
        const Tensor dy = out.gradient();
        const Tensor dz = tape.empty(wide);
        const GradientTarget d_value = wanted_gradient(tape, value_weight);
        const GradientTarget d_value_bias = wanted_gradient(tape, value_bias);
        for (std::int64_t h = 0; h < heads; ++h) {
          again.run(calls::Matmul{.a = of_head(dy, h), .b = weight_of(value_and_bias, h), .c = whole_of(dz, h)});
          if (d_value.tensor.defined())
            again.run(calls::Matmul{.a = of_head(dy, h),
                                    .transpose_a = true,
                                    .b = inputs_of(z, h),
                                    .c = weight_of(d_value.tensor, h),
                                    .accumulate = d_value.accumulate});
          if (d_value_bias.tensor.defined())
            again.run(calls::Matmul{.a = of_head(dy, h),
                                    .transpose_a = true,
                                    .b = ones_of(z, h),
                                    .c = as_column(d_value_bias.tensor, h * head_width, head_width),
                                    .accumulate = d_value_bias.accumulate});
        }
        const Tensor du = tape.empty(wide);
        const bool wants_dx = x.requires_gradient();
        const Tensor d_keys = wants_dx ? tape.empty(keys.shape()) : Tensor();
        const Tensor d_values = wants_dx ? tape.empty(keys.shape()) : Tensor();
        again.run(calls::AttentionBackward{.q = u.as_rows(),
                                           .k = keys.as_rows(),
                                           .v = keys.as_rows(),
                                           .out = z.as_rows(),
                                           .d_out = dz.as_rows(),
                                           .log_sum_exp = log_sum_exp.data<float>(),
                                           .sequences = sequences,
                                           .shape = shape,
                                           .dropout = dropout,
                                           .dq = du.as_rows(),
                                           .dk = d_keys.as_rows(),
                                           .dv = d_values.as_rows()});
        const GradientTarget dq = wanted_gradient(tape, q);
        const GradientTarget d_key = wanted_gradient(tape, key_weight);
        for (std::int64_t h = 0; h < heads; ++h) {
          if (dq.tensor.defined())
            again.run(calls::Matmul{.a = inputs_of(du, h),
                                    .b = weight_of(key_weight.compute_copy(), h),
                                    .transpose_b = true,
                                    .c = of_head(dq.tensor, h),
                                    .accumulate = dq.accumulate});
          if (d_key.tensor.defined())
            again.run(calls::Matmul{.a = of_head(q.value(), h),
                                    .transpose_a = true,
                                    .b = inputs_of(du, h),
                                    .c = weight_of(d_key.tensor, h),
                                    .accumulate = d_key.accumulate});
        }
        if (key_bias.requires_gradient()) (void)tape.cleared_gradient_of(key_bias);
        if (wants_dx) {
          const GradientTarget dx = tape.gradient_of(x);
          again.run(calls::Copy{
              .x = columns_of(d_keys.as_rows(), 0, width), .y = dx.tensor.as_rows(), .accumulate = dx.accumulate});
          again.run(
              calls::Copy{.x = columns_of(d_values.as_rows(), 0, width), .y = dx.tensor.as_rows(), .accumulate = true});
        }
      });
  return out;
}

}  // namespace temper
