// The one declaration of each kernel. A device implements the class in tensor/kernels/<device>/, one file a family.
//
// What a reader would otherwise get wrong: nothing here allocates what the caller keeps, no kernel takes a padded
// batch, and every `accumulate` flag means "add to what the output holds" where false means "overwrite" — a gradient
// buffer is therefore never cleared before its first write. Sums over rows run in an order that depends on the shapes
// alone, never on the number of threads.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/random.h"

namespace temper {

/// A row-major matrix [rows, columns] whose rows lie `stride` elements apart.
template <typename T>
struct MatrixOf {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;

  [[nodiscard]] T* row(std::int64_t i) const { return data + i * stride; }
  // NOLINTNEXTLINE(google-explicit-constructor): a matrix that may be written may be read
  operator MatrixOf<const T>() const { return {data, rows, columns, stride}; }
};
using Matrix = MatrixOf<float>;
using ConstMatrix = MatrixOf<const float>;

enum class Activation : std::uint8_t { none, gelu, gelu_tanh, relu, tanh };

/// Which token each row stands for: its example (a row of the data set) and its position there; one entry a row.
/// Only dropout reads them.
struct RowNames {
  const std::uint32_t* example = nullptr;
  const std::uint32_t* position = nullptr;
};

/// Sequences that lie packed in `tokens` rows: sequence s is rows starts[s] to starts[s + 1].
struct PackedSequences {
  std::int64_t tokens = 0;
  std::int64_t sequences = 0;
  const std::int32_t* starts = nullptr;     ///< [sequences + 1]
  const std::uint32_t* examples = nullptr;  ///< [sequences]
  std::int64_t longest = 0;                 ///< tokens of the longest sequence
  /// Where only some tokens ask (attend to the others): sequence s asks with rows query_starts[s] to
  /// query_starts[s + 1] of the queries, which are the tokens at query_positions in it, each at most once. Null: every
  /// token asks.
  const std::int32_t* query_starts = nullptr;      ///< [sequences + 1]
  const std::uint32_t* query_positions = nullptr;  ///< [queries]
};

/// A loss as a sum and what it has to be divided by: a count, or a sum of class weights.
struct LossSum {
  double loss = 0.0;
  double weight = 0.0;
};

struct AdamWStep {
  float learning_rate = 0;  ///< already scheduled
  double beta1 = 0.9;
  double beta2 = 0.999;
  float epsilon = 1e-8F;
  float weight_decay = 0;    ///< decoupled (Loshchilov, Hutter: "Decoupled weight decay regularization", 2019)
  float gradient_scale = 1;  ///< 1 / count, times the clipping factor
  std::int64_t step = 1;     ///< 1-based number of updates that these moments have seen, this one included
};

struct SgdStep {
  float learning_rate = 0;
  float momentum = 0;
  float weight_decay = 0;  ///< added to the gradient, as in torch.optim.SGD
  float gradient_scale = 1;
};

class Kernels {
 public:
  Kernels() = default;
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;
  virtual ~Kernels() = default;

  // ---- matmul ------------------------------------------------------------------------------------------------------
  /// c [m, n] (+)= op(a) [m, k] op(b) [k, n], where op transposes if asked. k may be 0: then c is zero (or unchanged).
  virtual void matmul(ConstMatrix a, bool transpose_a, ConstMatrix b, bool transpose_b, Matrix c, bool accumulate) = 0;

  // ---- activation --------------------------------------------------------------------------------------------------
  /// z [rows, columns] += bias (may be null); y = activation(z). y may be z; then the activation's input is not kept.
  /// `gelu` is exact, x/2 (1 + erf(x / sqrt 2)); `gelu_tanh` its tanh form (Hendrycks, Gimpel 2016).
  virtual void bias_activation_forward(Matrix z, const float* bias, Activation activation, Matrix y) = 0;
  /// dz = dy * activation'(z); d_bias (may be null) (+)= sum of dz over rows. y is what forward gave (read for tanh
  /// and relu only; for the others it may be empty). dz may be dy.
  virtual void bias_activation_backward(ConstMatrix dy, ConstMatrix z, ConstMatrix y, Activation activation, Matrix dz,
                                        float* d_bias, bool accumulate_bias) = 0;
  /// y = mask * x * scale; the same call on a gradient is its backward. y may be x.
  virtual void dropout(ConstMatrix x, RowNames names, const Dropout& dropout, Matrix y) = 0;
  /// y (+)= x, of n elements; y may be x.
  virtual void copy(const float* x, float* y, std::int64_t n, bool accumulate) = 0;
  virtual void fill(float* x, float value, std::int64_t n) = 0;

  // ---- layer_norm --------------------------------------------------------------------------------------------------
  /// sum = dropout(x) + residual (residual.data may be null, dropout inactive); y = (sum - mean) * rstd * weight +
  /// bias. `sum` may be null where no backward follows and may be x.data where residual is null and dropout inactive;
  /// mean, rstd [rows] may be null together with it. Variance is the biased one, as in torch.nn.LayerNorm.
  virtual void layer_norm_forward(ConstMatrix x, ConstMatrix residual, RowNames names, const Dropout& dropout,
                                  const float* weight, const float* bias, float epsilon, Matrix y, float* sum,
                                  float* mean, float* rstd) = 0;
  /// d_sum = gradient of the sum; d_residual (may be null) (+)= d_sum; dx (may be null) = dropout mask * d_sum
  /// (overwritten); d_weight, d_bias (each may be null) (+)=. sum, mean, rstd as forward left them.
  virtual void layer_norm_backward(ConstMatrix dy, const float* sum, const float* mean, const float* rstd,
                                   const float* weight, RowNames names, const Dropout& dropout, float* dx,
                                   float* d_residual, bool accumulate_residual, float* d_weight, bool accumulate_weight,
                                   float* d_bias, bool accumulate_bias) = 0;

  // ---- attention ---------------------------------------------------------------------------------------------------
  /// Multi-head attention within each sequence, no mask, no padding: out = softmax(scale q k^T) v for each head, in
  /// tiles with a running maximum and sum (Dao, Fu, Ermon, Rudra, Re: "FlashAttention", 2022), so that of one sequence
  /// at most a tile of scores exists at once. k, v [tokens, heads * head_width], q, out [queries, heads * head_width],
  /// each with its own stride. log_sum_exp [heads, queries] is kept for backward (may be null). Dropout acts on the
  /// probabilities.
  virtual void attention_forward(ConstMatrix q, ConstMatrix k, ConstMatrix v, const PackedSequences& sequences,
                                 std::int64_t heads, float scale, const Dropout& dropout, Matrix out,
                                 float* log_sum_exp) = 0;
  /// dq, dk, dv are overwritten.
  virtual void attention_backward(ConstMatrix q, ConstMatrix k, ConstMatrix v, ConstMatrix out, ConstMatrix d_out,
                                  const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                                  float scale, const Dropout& dropout, Matrix dq, Matrix dk, Matrix dv) = 0;

  // ---- embedding ---------------------------------------------------------------------------------------------------
  /// y[t] = words[ids[t]] + positions[position_ids[t]] + types[type_ids[t]]; types may be null. ids are checked by the
  /// caller. Tables are [entries, width].
  virtual void embedding_sum_forward(const float* words, const std::int32_t* ids, const float* positions,
                                     const std::int32_t* position_ids, const float* types, const std::int32_t* type_ids,
                                     Matrix y) = 0;
  /// d_table[ids[t]] += dy[t] in the order of t. Rows that do not occur are not touched: the caller clears the table.
  virtual void embedding_backward(ConstMatrix dy, const std::int32_t* ids, float* d_table) = 0;
  /// y[i] = x[rows[i]].
  virtual void gather_rows(ConstMatrix x, const std::int32_t* rows, Matrix y) = 0;
  /// dx[rows[i]] += dy[i]; the caller clears dx.
  virtual void scatter_add_rows(ConstMatrix dy, const std::int32_t* rows, Matrix dx) = 0;

  // ---- softmax_cross_entropy ---------------------------------------------------------------------------------------
  /// Softmax cross entropy of logits [rows, classes] against labels [rows] (-100: not counted), with class weights
  /// [classes] (may be null) and label smoothing in [0, 1) as torch.nn.functional.cross_entropy defines both.
  /// The sum is not divided. d_logits (data may be null; may be logits) is the gradient of the sum.
  virtual LossSum cross_entropy(ConstMatrix logits, const std::int32_t* labels, const float* class_weights,
                                float label_smoothing, Matrix d_logits) = 0;
  /// Sigmoid and binary cross entropy of each element against targets [rows, columns] in [0, 1]; the weight is the
  /// number of elements.
  virtual LossSum binary_cross_entropy(ConstMatrix logits, const float* targets, Matrix d_logits) = 0;
  /// Squared error of each element; the weight is the number of elements.
  virtual LossSum mean_squared_error(ConstMatrix predictions, const float* targets, Matrix d_predictions) = 0;
  /// y = softmax(x) by rows; y may be x.
  virtual void softmax(ConstMatrix x, Matrix y) = 0;
  /// y = 1 / (1 + exp(-x)); y may be x.
  virtual void sigmoid(ConstMatrix x, Matrix y) = 0;

  // ---- optimizer_step ----------------------------------------------------------------------------------------------
  /// One fused pass over a slice: scale, decay, moments, update.
  virtual void adamw_step(float* parameters, const float* gradients, float* first_moments, float* second_moments,
                          std::int64_t n, const AdamWStep& step) = 0;
  virtual void sgd_step(float* parameters, const float* gradients, float* momenta, std::int64_t n,
                        const SgdStep& step) = 0;

  // ---- reduction ---------------------------------------------------------------------------------------------------
  /// out = a + b; out may be a or b.
  virtual void add(const float* a, const float* b, float* out, std::int64_t n) = 0;
  /// Sum of squares, accumulated in double.
  virtual double sum_of_squares(const float* x, std::int64_t n) = 0;
};

}  // namespace temper
