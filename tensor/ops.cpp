#include "tensor/ops.h"

#include <cmath>

#include "base/error.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

/// A bias as kernels take it: one row.
ConstRows as_row(const Variable& bias) { return bias.defined() ? ConstRows(bias.working().as_row()) : ConstRows(); }

Matrix parameter_matrix(const Tensor& tensor) { return tensor.as_rows().as<float>(); }

const float* data_or_null(const Variable& variable) {
  return variable.defined() ? variable.value().data<float>() : nullptr;
}

void require_columns(const char* op, const Variable& x, std::int64_t columns) {
  if (x.value().columns() != columns)
    throw Error("{}: the input has shape {}, expected {} columns", op, x.shape().text(), columns);
}

/// Room for the gradient of logits, if anybody wants it.
Tensor logit_gradient(Tape& tape, const Variable& logits) {
  return tape.records({&logits}) ? tape.empty(logits.shape(), logits.value().type()) : Tensor();
}

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias, Activation activation) {
  require_columns("linear", x, weight.value().columns());
  const Tensor z = tape.empty({x.value().rows(), weight.value().rows()}, x.value().type());
  const bool records = tape.records({&x, &weight, &bias});
  // Backward reads z or y; only one of the two is kept.
  const bool reads_z = slope_reads_input(activation);
  const Tensor y = reads_z && records ? tape.empty(z.shape(), z.type()) : z;
  tape.kernels().run(calls::LinearForward{.x = x.value().as_rows(),
                                          .weight = weight.working().as_rows(),
                                          .bias = as_row(bias),
                                          .activation = activation,
                                          .z = z.as_rows(),
                                          .y = y.as_rows()});
  Variable out(y, records);
  if (!records) return out;
  const Tensor kept_z = reads_z ? z : Tensor();
  tape.record({&x, &weight, &bias}, [&tape, x, weight, bias, activation, kept_z, out] {
    const Rows dy = out.gradient().as_rows();
    const bool trains_weight = weight.requires_gradient();
    GradientTarget d_bias = wanted_gradient(tape, bias);
    if (activation != Activation::none || (d_bias.tensor.defined() && !trains_weight)) {
      tape.kernels().run(calls::BiasActivationBackward{.dy = dy,
                                                       .z = kept_z.as_rows(),
                                                       .y = out.value().as_rows(),
                                                       .activation = activation,
                                                       .dz = dy,
                                                       .d_bias = d_bias.parameter(),
                                                       .accumulate_bias = d_bias.accumulate});
      d_bias = {};
    }
    if (trains_weight) {
      const GradientTarget d_weight = tape.gradient_of(weight);
      tape.kernels().run(calls::LinearWeightGradient{.dz = dy,
                                                     .x = x.value().as_rows(),
                                                     .d_weight = parameter_matrix(d_weight.tensor),
                                                     .accumulate_weight = d_weight.accumulate,
                                                     .d_bias = d_bias.parameter(),
                                                     .accumulate_bias = d_bias.accumulate});
    }
    if (x.requires_gradient()) {
      const GradientTarget dx = tape.gradient_of(x);
      tape.kernels().run(calls::Matmul{
          .a = dy, .b = weight.working().as_rows(), .c = dx.tensor.as_rows(), .accumulate = dx.accumulate});
    }
  });
  return out;
}

Variable embedding_sum(Tape& tape, const EmbeddingIndices& indices, const Variable& words, const Variable& positions,
                       std::int64_t position_offset, const Variable& types) {
  const std::int64_t width = words.value().columns();
  const std::int64_t skipped = position_offset * width;
  const Tensor y = tape.empty({indices.ids.size(), width}, tape.activations());
  tape.kernels().run(calls::EmbeddingSumForward{.words = words.value().data<float>(),
                                                .ids = indices.ids.data<std::int32_t>(),
                                                .positions = positions.value().data<float>() + skipped,
                                                .position_ids = indices.positions.data<std::int32_t>(),
                                                .types = data_or_null(types),
                                                .type_ids = indices.types.data<std::int32_t>(),
                                                .y = y.as_rows()});
  const bool records = tape.records({&words, &positions, &types});
  Variable out(y, records);
  if (!records) return out;
  tape.record({&words, &positions, &types}, [&tape, indices, words, positions, skipped, types, out] {
    const auto scatter = [&](const Variable& table, const GroupedRows& groups, std::int64_t offset) {
      if (!table.requires_gradient()) return;
      tape.kernels().run(calls::EmbeddingBackward{.dy = out.gradient().as_rows(),
                                                  .groups = groups.groups(),
                                                  .d_table = tape.cleared_gradient_of(table).data<float>() + offset});
    };
    scatter(words, indices.by_id, 0);
    scatter(positions, indices.by_position, skipped);
    if (types.defined()) scatter(types, indices.by_type, 0);
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
  const Tensor y = tape.empty(q.shape(), q.value().type());
  const Tensor log_sum_exp = records ? tape.empty({heads, q.value().rows()}) : Tensor();
  tape.kernels().run(calls::AttentionForward{.q = q.value().as_rows(),
                                             .k = k.value().as_rows(),
                                             .v = v.value().as_rows(),
                                             .sequences = sequences,
                                             .heads = heads,
                                             .scale = scale,
                                             .dropout = dropout,
                                             .out = y.as_rows(),
                                             .log_sum_exp = records ? log_sum_exp.data<float>() : nullptr});
  Variable out(y, records);
  if (!records) return out;
  tape.record({&q, &k, &v}, [&tape, q, k, v, sequences, heads, scale, dropout, log_sum_exp, out] {
    // The kernel computes the three gradients together; one that nobody needs goes into a buffer that is dropped.
    const OverwrittenGradient dq(tape, q);
    const OverwrittenGradient dk(tape, k);
    const OverwrittenGradient dv(tape, v);
    tape.kernels().run(calls::AttentionBackward{.q = q.value().as_rows(),
                                                .k = k.value().as_rows(),
                                                .v = v.value().as_rows(),
                                                .out = out.value().as_rows(),
                                                .d_out = out.gradient().as_rows(),
                                                .log_sum_exp = log_sum_exp.data<float>(),
                                                .sequences = sequences,
                                                .heads = heads,
                                                .scale = scale,
                                                .dropout = dropout,
                                                .dq = dq.rows(),
                                                .dk = dk.rows(),
                                                .dv = dv.rows()});
    dq.finish();
    dk.finish();
    dv.finish();
  });
  return out;
}

Variable gather_rows(Tape& tape, const Variable& x, const Tensor& rows) {
  const Tensor y = tape.empty({rows.size(), x.value().columns()}, x.value().type());
  tape.kernels().run(calls::GatherRows{.x = x.value().as_rows(), .rows = rows.data<std::int32_t>(), .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x, rows, out] {
    tape.kernels().run(calls::ScatterAddRows{.dy = out.gradient().as_rows(),
                                             .rows = rows.data<std::int32_t>(),
                                             .dx = tape.cleared_gradient_of(x).as_rows()});
  });
  return out;
}

void cross_entropy(Tape& tape, const Variable& logits, const Tensor& labels, const Tensor& class_weights,
                   float label_smoothing, const Tensor& sum) {
  const Tensor gradient = tape.records({&logits}) ? logits.value() : Tensor();
  if (gradient.defined() && logits.gradient_written())
    throw Error("cross_entropy: these logits have made way for their gradient");
  tape.kernels().run(
      calls::CrossEntropy{.logits = logits.value().as_rows(),
                          .labels = labels.data<std::int32_t>(),
                          .class_weights = class_weights.defined() ? class_weights.data<float>() : nullptr,
                          .label_smoothing = label_smoothing,
                          .d_logits = gradient.as_rows(),
                          .sum = sum.data<double>()});
  if (gradient.defined()) Tape::set_gradient(logits, gradient);
}

void binary_cross_entropy(Tape& tape, const Variable& logits, const Tensor& targets, const Tensor& sum) {
  const Tensor gradient = logit_gradient(tape, logits);
  tape.kernels().run(calls::BinaryCrossEntropy{.logits = logits.value().as_rows(),
                                               .targets = targets.data<float>(),
                                               .d_logits = gradient.as_rows(),
                                               .sum = sum.data<double>()});
  if (gradient.defined()) Tape::set_gradient(logits, gradient);
}

void mean_squared_error(Tape& tape, const Variable& predictions, const Tensor& targets, const Tensor& sum) {
  const Tensor gradient = logit_gradient(tape, predictions);
  tape.kernels().run(calls::MeanSquaredError{.predictions = predictions.value().as_rows(),
                                             .targets = targets.data<float>(),
                                             .d_predictions = gradient.as_rows(),
                                             .sum = sum.data<double>()});
  if (gradient.defined()) Tape::set_gradient(predictions, gradient);
}

}  // namespace temper
