#include "tensor/cost/kernel_work.h"

namespace temper {

KernelWork& KernelWork::operator+=(const KernelWork& other) {
  operations += other.operations;
  bytes += other.bytes;
  bf16 |= other.bf16;
  return *this;
}

double bytes_of(ConstRows rows) {
  if (rows.data == nullptr) return 0.0;
  return static_cast<double>(rows.rows) * static_cast<double>(rows.columns) * static_cast<double>(size_of(rows.type));
}

KernelWork matmul_work(ConstRows a, bool transpose_a, ConstRows b, ConstRows c, bool accumulate) {
  const auto inner = static_cast<double>(transpose_a ? a.rows : a.columns);
  return {2.0 * static_cast<double>(c.rows) * static_cast<double>(c.columns) * inner,
          bytes_of(a) + bytes_of(b) + bytes_of(c) * (accumulate ? 2.0 : 1.0), a.type == DType::bf16};
}

KernelWork linear_forward_work(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, ConstRows z,
                               ConstRows y) {
  KernelWork work = matmul_work(x, false, weight, y, false);
  work.bytes += bytes_of(bias) + (z.data != y.data ? bytes_of(z) : 0.0);
  const double passes = (bias.data != nullptr ? 1.0 : 0.0) + activation_operations(activation);
  work.operations += passes * static_cast<double>(y.rows) * static_cast<double>(y.columns);
  return work;
}

KernelWork linear_weight_gradient_work(ConstRows dz, ConstRows x, bool accumulate_weight, const float* d_bias) {
  const double weights = static_cast<double>(dz.columns) * static_cast<double>(x.columns);
  KernelWork work{2.0 * weights * static_cast<double>(dz.rows),
                  bytes_of(dz) + bytes_of(x) + weights * sizeof(float) * (accumulate_weight ? 2.0 : 1.0),
                  dz.type == DType::bf16};
  if (d_bias != nullptr) work.operations += static_cast<double>(dz.rows) * static_cast<double>(dz.columns);
  return work;
}

KernelWork elementwise_work(std::initializer_list<ConstRows> matrices, double operations_each) {
  KernelWork work;
  for (const ConstRows& matrix : matrices) work.bytes += bytes_of(matrix);
  const ConstRows& first = *matrices.begin();
  work.operations = operations_each * static_cast<double>(first.rows) * static_cast<double>(first.columns);
  return work;
}

KernelWork array_work(std::int64_t n, double bytes_each, double operations_each) {
  return {static_cast<double>(n) * operations_each, static_cast<double>(n) * bytes_each, false};
}

KernelWork activation_backward_work(ConstRows dy, ConstRows z, ConstRows y, Activation activation, ConstRows dz) {
  const ConstRows kept = slope_reads_input(activation) ? z : slope_reads_output(activation) ? y : ConstRows();
  const bool writes = activation != Activation::none || dz.data != dy.data;
  return elementwise_work({dy, writes ? dz : ConstRows(), kept}, 1.0 + activation_operations(activation));
}

KernelWork adamw_work(std::int64_t n, bool rounds_to_bf16) {
  // Reads parameter, gradient and both moments, writes all but the gradient.
  return array_work(n, 28.0 + (rounds_to_bf16 ? 2.0 : 0.0), 14.0);
}

KernelWork lion_work(std::int64_t n, bool rounds_to_bf16) {
  return array_work(n, 20.0 + (rounds_to_bf16 ? 2.0 : 0.0), 11.0);
}

KernelWork factored_square_sums_work(std::int64_t n) { return array_work(n, 4.0, 3.0); }

KernelWork adafactor_square_sums_work(std::int64_t n, bool has_squares) {
  return array_work(n, has_squares ? 16.0 : 8.0, has_squares ? 12.0 : 7.0);
}

KernelWork adafactor_work(std::int64_t n, bool has_squares, bool rounds_to_bf16) {
  return array_work(n, (has_squares ? 16.0 : 12.0) + (rounds_to_bf16 ? 2.0 : 0.0), has_squares ? 6.0 : 5.0);
}

KernelWork add_tree_work(std::int64_t n, std::size_t inputs) {
  const auto count = static_cast<double>(inputs);
  return array_work(n, 4.0 * (count + 1.0), count > 0.0 ? count - 1.0 : 0.0);
}

KernelWork chunk_square_sums_work(std::int64_t n) { return array_work(n, 4.0, 2.0); }

double activation_operations(Activation activation) {
  switch (activation) {
    case Activation::none:
      return 0.0;
    case Activation::relu:
    case Activation::relu_squared:
    case Activation::relu6:
    case Activation::leaky_relu:
      return 1.0;
    case Activation::sigmoid:
    case Activation::tanh:
      return 2.0;
    default:
      return 6.0;
  }
}

double score_count(const PackedSequences& sequences, std::int64_t queries, bool host_memory) {
  if (sequences.sequences == 0) return 0.0;
  if (!host_memory)
    return static_cast<double>(queries) * static_cast<double>(sequences.tokens) /
           static_cast<double>(sequences.sequences);
  const std::int32_t* asking = sequences.query_starts != nullptr ? sequences.query_starts : sequences.starts;
  double scores = 0.0;
  for (std::int64_t s = 0; s < sequences.sequences; ++s)
    scores += static_cast<double>(asking[s + 1] - asking[s]) *
              static_cast<double>(sequences.starts[s + 1] - sequences.starts[s]);
  return scores;
}

KernelWork attention_forward_work(ConstRows q, ConstRows k, double scores) {
  return {4.0 * scores * static_cast<double>(q.columns), 2.0 * (bytes_of(q) + bytes_of(k)), q.type == DType::bf16};
}

KernelWork attention_backward_work(ConstRows q, ConstRows k, double scores, bool of_keys) {
  return {(of_keys ? 10.0 : 6.0) * scores * static_cast<double>(q.columns),
          4.0 * bytes_of(q) + (of_keys ? 4.0 : 2.0) * bytes_of(k), q.type == DType::bf16};
}

}  // namespace temper
