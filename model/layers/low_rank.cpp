#include "model/layers/low_rank.h"

#include <cmath>
#include <vector>

#include "tensor/host_copy.h"
#include "tensor/ops/activation.h"
#include "tensor/ops/low_rank.h"

namespace temper {
namespace {

/// Above the places that models use for themselves.
constexpr std::uint32_t kFirstPlace = 1U << 16;

/// weight + scale B A, f32, a tensor of its own.
Tensor sum_of(Device& device, const Tensor& weight, const LowRankParts& parts, bool of_embeddings) {
  const Tensor sum = Tensor::empty(device.memory(), weight.shape());
  device.kernels().run(calls::Copy{.x = weight.as_rows(), .y = sum.as_rows()});
  const Tensor& left = of_embeddings ? parts.a.value() : parts.b.value();
  const Tensor scaled = Tensor::empty(device.memory(), left.shape());
  device.kernels().run(calls::ScaleRows{.x = left.as_rows(), .factor = parts.scale, .y = scaled.as_rows()});
  device.kernels().run(calls::Matmul{.a = scaled.as_rows(),
                                     .b = of_embeddings ? parts.b.value().as_rows() : parts.a.value().as_rows(),
                                     .transpose_b = of_embeddings,
                                     .c = sum.as_rows(),
                                     .accumulate = true});
  return sum;
}

/// What the parts are for some of the layer's outputs.
LowRankParts of_outputs(Tape& tape, const LowRankParts& parts, const BaseLayer& base) {
  const std::int64_t count = base.weight.value().rows();
  if (count == parts.b.value().rows()) return parts;
  LowRankParts some = parts;
  some.b = rows(tape, parts.b, base.first_output, count);
  if (parts.magnitudes.defined()) some.magnitudes = rows(tape, parts.magnitudes, base.first_output, count);
  return some;
}

/// weight x + bias + scale B A x', where x' is x after dropout.
Variable product(Tape& tape, const Variable& weight, const Variable& bias, const LowRankParts& parts, const Variable& x,
                 const Variable& dropped) {
  const Variable narrow = linear(tape, dropped, parts.a, Variable());
  const Variable scaled = parts.scale == 1.0F ? narrow : scale(tape, narrow, parts.scale);
  return add_product(tape, linear(tape, x, weight, bias), scaled, parts.b);
}

/// With c the lengths over the norms: W x + b + (c - 1) W x' + c scale B A x', as PEFT has it.
Variable with_magnitudes(Tape& tape, const BaseLayer& base, const LowRankParts& parts, const Variable& x,
                         const Variable& dropped) {
  const Tensor sum = sum_of(tape.device(), base.weight.value(), parts, /*of_embeddings=*/false);
  const Tensor inverse_norms = inverse_row_norms(tape, sum, parts.ones);
  const Variable turned = scale_columns(tape, product(tape, base.weight, Variable(), parts, dropped, dropped),
                                        parts.magnitudes, inverse_norms, parts.ones);
  if (!(dropped == x)) {
    const Variable left_out = scale(tape, linear(tape, dropped, base.weight, Variable()), -1.0F);
    return add(tape, add(tape, linear(tape, x, base.weight, base.bias), left_out), turned);
  }
  return base.bias.defined() ? add_bias(tape, turned, base.bias) : turned;
}

std::vector<float> lengths_of_rows(Device& device, const Tensor& matrix) {
  const HostCopy copy(device, matrix);
  const auto columns = static_cast<std::size_t>(matrix.columns());
  std::vector<float> lengths;
  for (std::size_t row = 0; row < static_cast<std::size_t>(matrix.rows()); ++row) {
    double squares = 0.0;
    for (const float value : copy.values().subspan(row * columns, columns))
      squares += static_cast<double>(value) * static_cast<double>(value);
    lengths.push_back(static_cast<float>(std::sqrt(squares)));
  }
  return lengths;
}

}  // namespace

Variable LowRank::adapted(Tape& tape, const BaseLayer& base, const Variable& x, Activation activation,
                          const TokenKeys* names) const {
  const std::uint32_t standing = static_cast<std::uint32_t>(tape.current_stage()) * parts_.count;
  const Dropout drop = tape.dropout(parts_.dropout, kFirstPlace + standing + parts_.number);
  const Variable dropped =
      drop.active() ? dropout(tape, x, names != nullptr ? *names : tape.names_of_rows(x.value().rows()), drop) : x;
  const LowRankParts parts = of_outputs(tape, parts_, base);
  const Variable z = parts.magnitudes.defined() ? with_magnitudes(tape, base, parts, x, dropped)
                                                : product(tape, base.weight, base.bias, parts, x, dropped);
  return activation == Activation::none ? z : activated(tape, z, activation);
}

Variable LowRank::adapted(Tape& tape, const EmbeddingIndices& indices, const Variable& embedded) const {
  const Variable narrow = embedding_sum(tape, indices, parts_.a, Variable(), 0, Variable());
  const Variable scaled = parts_.scale == 1.0F ? narrow : scale(tape, narrow, parts_.scale);
  return add_product(tape, embedded, scaled, parts_.b);
}

Tensor merged_weight(Device& device, const Tensor& weight, const LowRankParts& parts, AdaptableModule::Kind kind) {
  const Tensor sum = sum_of(device, weight, parts, kind == AdaptableModule::Kind::embedding);
  if (!parts.magnitudes.defined()) return sum;
  const std::vector<float> lengths = lengths_of_rows(device, sum);
  const HostCopy wanted(device, parts.magnitudes.value());
  const HostCopy copy(device, sum);
  std::vector<float> turned(copy.values().begin(), copy.values().end());
  const auto columns = static_cast<std::size_t>(sum.columns());
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] *= wanted.values()[i / columns] / lengths[i / columns];
  return device.upload(std::span<const float>(turned), sum.shape());
}

Tensor row_lengths(Device& device, const Tensor& weight, const LowRankParts& parts) {
  const std::vector<float> lengths = lengths_of_rows(device, sum_of(device, weight, parts, /*of_embeddings=*/false));
  return device.upload(std::span<const float>(lengths), Shape{static_cast<std::int64_t>(lengths.size())});
}

}  // namespace temper
