// The CPU device: oneDNN for matrix products, Highway for the rest (the instruction set is chosen at run time),
// OpenMP threads inside a rank.
#pragma once

#include "tensor/kernels.h"

namespace temper {

class CpuKernels final : public Kernels {
 public:
  void matmul(ConstMatrix a, bool transpose_a, ConstMatrix b, bool transpose_b, Matrix c, bool accumulate) override;

  void bias_activation_forward(Matrix z, const float* bias, Activation activation, Matrix y) override;
  void bias_activation_backward(ConstMatrix dy, ConstMatrix z, ConstMatrix y, Activation activation, Matrix dz,
                                float* d_bias, bool accumulate_bias) override;
  void dropout(ConstMatrix x, RowNames names, const Dropout& dropout, Matrix y) override;
  void copy(const float* x, float* y, std::int64_t n, bool accumulate) override;
  void fill(float* x, float value, std::int64_t n) override;

  void layer_norm_forward(ConstMatrix x, ConstMatrix residual, RowNames names, const Dropout& dropout,
                          const float* weight, const float* bias, float epsilon, Matrix y, float* sum, float* mean,
                          float* rstd) override;
  void layer_norm_backward(ConstMatrix dy, const float* sum, const float* mean, const float* rstd, const float* weight,
                           RowNames names, const Dropout& dropout, float* dx, float* d_residual,
                           bool accumulate_residual, float* d_weight, bool accumulate_weight, float* d_bias,
                           bool accumulate_bias) override;

  void attention_forward(ConstMatrix q, ConstMatrix k, ConstMatrix v, const PackedSequences& sequences,
                         std::int64_t heads, float scale, const Dropout& dropout, Matrix out,
                         float* log_sum_exp) override;
  void attention_backward(ConstMatrix q, ConstMatrix k, ConstMatrix v, ConstMatrix out, ConstMatrix d_out,
                          const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads, float scale,
                          const Dropout& dropout, Matrix dq, Matrix dk, Matrix dv) override;

  void embedding_sum_forward(const float* words, const std::int32_t* ids, const float* positions,
                             const std::int32_t* position_ids, const float* types, const std::int32_t* type_ids,
                             Matrix y) override;
  void embedding_backward(ConstMatrix dy, const std::int32_t* ids, float* d_table) override;
  void gather_rows(ConstMatrix x, const std::int32_t* rows, Matrix y) override;
  void scatter_add_rows(ConstMatrix dy, const std::int32_t* rows, Matrix dx) override;

  LossSum cross_entropy(ConstMatrix logits, const std::int32_t* labels, const float* class_weights,
                        float label_smoothing, Matrix d_logits) override;
  LossSum binary_cross_entropy(ConstMatrix logits, const float* targets, Matrix d_logits) override;
  LossSum mean_squared_error(ConstMatrix predictions, const float* targets, Matrix d_predictions) override;
  void softmax(ConstMatrix x, Matrix y) override;
  void sigmoid(ConstMatrix x, Matrix y) override;

  void adamw_step(float* parameters, const float* gradients, float* first_moments, float* second_moments,
                  std::int64_t n, const AdamWStep& step) override;
  void sgd_step(float* parameters, const float* gradients, float* momenta, std::int64_t n,
                const SgdStep& step) override;

  void add(const float* a, const float* b, float* out, std::int64_t n) override;
  double sum_of_squares(const float* x, std::int64_t n) override;
};

}  // namespace temper
