// The CPU device: kernels written with Highway, which choose the instruction set at run time; oneDNN for matrix
// products of bf16, and of f32 where it is as good (panel_matmul.h); OpenMP threads inside a rank.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"
#include "tensor/kernels.h"
#include "tensor/kernels/cpu/matmul/product_primitives.h"

namespace temper {

/// The one type, f32 or bf16, of these matrices; those without data do not count. Throws Error if there are two, or
/// another.
template <typename... Matrices>
DType common_type(const char* kernel, const Matrices&... matrices) {
  const void* const data[] = {matrices.data...};
  const DType types[] = {matrices.type...};
  const DType* common = nullptr;
  for (std::size_t i = 0; i < sizeof...(matrices); ++i) {
    if (data[i] == nullptr) continue;
    if (types[i] != DType::f32 && types[i] != DType::bf16)
      throw Error("{}: the CPU computes on f32 and bf16, but was given {}", kernel, name_of(types[i]));
    if (common != nullptr && *common != types[i])
      throw Error("{}: the CPU takes matrices of one type, but was given {} and {}", kernel, name_of(*common),
                  name_of(types[i]));
    common = &types[i];
  }
  return common == nullptr ? DType::f32 : *common;
}

/// Names what the last bits of results depend on beside the arguments: the kind of processor, the release of oneDNN,
/// and the instructions that it may use.
std::string cpu_arithmetic();

class CpuKernels final : public Kernels {
 public:
  /// Throws Error if $TEMPER_MAX_ISA cannot be followed (instruction_set.h).
  CpuKernels();

  void matmul(ConstRows a, bool transpose_a, ConstRows b, bool transpose_b, Rows c, bool accumulate) override;
  void linear_forward(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, Rows z, Rows y) override;

  void bias_activation_forward(Rows z, ConstRows bias, Activation activation, Rows y) override;
  void bias_activation_backward(ConstRows dy, ConstRows z, ConstRows y, Activation activation, Rows dz, float* d_bias,
                                bool accumulate_bias) override;
  void dropout(ConstRows x, RowNames names, const Dropout& dropout, Rows y) override;
  void copy(ConstRows x, Rows y, bool accumulate) override;
  void clear(void* data, std::int64_t bytes) override;

  void layer_norm_forward(ConstRows x, ConstRows residual, RowNames names, const Dropout& dropout, const float* weight,
                          const float* bias, float epsilon, Rows y, Rows sum, float* mean, float* rstd) override;
  void layer_norm_backward(ConstRows dy, ConstRows sum, const float* mean, const float* rstd, const float* weight,
                           RowNames names, const Dropout& dropout, Rows dx, Rows d_residual, bool accumulate_residual,
                           float* d_weight, bool accumulate_weight, float* d_bias, bool accumulate_bias) override;

  void attention_forward(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences, std::int64_t heads,
                         float scale, const Dropout& dropout, Rows out, float* log_sum_exp) override;
  [[nodiscard]] bool heads_share_keys() const override { return true; }
  void attention_backward(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                          const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads, float scale,
                          const Dropout& dropout, Rows dq, Rows dk, Rows dv) override;

  void embedding_sum_forward(const float* words, const std::int32_t* ids, const float* positions,
                             const std::int32_t* position_ids, const float* types, const std::int32_t* type_ids,
                             Rows y) override;
  void embedding_backward(ConstRows dy, const RowGroups& groups, float* d_table) override;
  void gather_rows(ConstRows x, const std::int32_t* rows, Rows y) override;
  void scatter_add_rows(ConstRows dy, const std::int32_t* rows, Rows dx) override;

  void cross_entropy(ConstRows logits, const std::int32_t* labels, const float* class_weights, float label_smoothing,
                     Rows d_logits, double* sum) override;
  void binary_cross_entropy(ConstRows logits, const float* targets, Rows d_logits, double* sum) override;
  void mean_squared_error(ConstRows predictions, const float* targets, Rows d_predictions, double* sum) override;

  void adamw_step(float* parameters, const float* gradients, float* first_moments, float* second_moments,
                  BFloat16* working, std::int64_t n, const AdamWStep& step) override;
  void sgd_step(float* parameters, const float* gradients, float* momenta, BFloat16* working, std::int64_t n,
                const SgdStep& step) override;

  void add(const float* a, const float* b, float* out, std::int64_t n) override;
  void add_tree(std::span<const float* const> inputs, std::span<const TreeStep> postfix, float* out,
                std::int64_t n) override;
  void chunk_square_sums(const float* x, std::int64_t chunk, std::int64_t chunks, double* sums) override;

  void lion_step(float* parameters, const float* gradients, float* momenta, BFloat16* working, std::int64_t n,
                 const LionStep& step) override;
  void factored_square_sums(const float* gradients, const SlicePieces& pieces, std::int64_t begin, std::int64_t columns,
                            double* sums) override;
  void adafactor_square_sums(const AdafactorSlice& slice, const SlicePieces& pieces, const AdafactorStep& step,
                             double* sums) override;
  void adafactor_step(const AdafactorSlice& slice, BFloat16* working, std::int64_t n,
                      const AdafactorStep& step) override;

 private:
  ProductPrimitives products_;
};

}  // namespace temper
