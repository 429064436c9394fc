// The CUDA device: cuBLASLt for matrix products, own kernels for the rest. Everything goes to one stream, in order.
// No floating-point atomics: every sum has an order that depends on the shapes alone.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "tensor/kernels.h"
#include "tensor/memory.h"

namespace temper {

/// Handle, workspace and chosen algorithms of cuBLASLt (matmul.cpp).
class CublasLt;

class CudaKernels final : public Kernels {
 public:
  /// Scratch is taken from `memory`, whose blocks come and go in the order of `stream`.
  CudaKernels(cudaStream_t stream, Memory& memory);
  ~CudaKernels() override;

  void matmul(ConstRows a, bool transpose_a, ConstRows b, bool transpose_b, Rows c, bool accumulate) override;
  void linear_forward(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, Rows z, Rows y) override;
  void linear_weight_gradient(ConstRows dz, ConstRows x, Matrix d_weight, bool accumulate_weight, float* d_bias,
                              bool accumulate_bias) override;

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
  cudaStream_t stream_;
  Memory& memory_;
  std::unique_ptr<CublasLt> cublas_;
};

}  // namespace temper
