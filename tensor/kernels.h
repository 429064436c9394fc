// The one declaration of each kernel. A device implements the class in tensor/kernels/<device>/, one file a family.
//
// What a reader would otherwise get wrong: nothing here allocates what the caller keeps, no kernel takes a padded
// batch, and every `accumulate` flag means "add to what the output holds" where false means "overwrite" — a gradient
// buffer is therefore never cleared before its first write. Sums over rows run in an order that depends on the shapes
// alone, never on the number of threads.
//
// Every pointer is to memory of the device, also those inside structs. A call may return before its work is done: work
// is done in the order of the calls, and Device (tensor/device.h) waits for it.
//
// Activations and their gradients are Rows: f32 or, on devices that have it, bf16; the matrices of one call have one
// type unless said otherwise. Whatever is summed (norms, softmax, losses, gradients of parameters) is summed in f32 or
// wider.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/activation.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper {

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

/// The rows of a matrix grouped by an index: group g is what all rows of index ids[g] share. Rows of one group are cut
/// into pieces of at most kPiece, so that a device can sum the pieces side by side and the order is still fixed.
struct RowGroups {
  static constexpr std::int64_t kPiece = 64;
  std::int64_t groups = 0;
  std::int64_t pieces = 0;
  std::int64_t rows = 0;
  const std::int32_t* ids = nullptr;           ///< [groups], ascending, each once
  const std::int32_t* piece_starts = nullptr;  ///< [groups + 1]: pieces of group g
  const std::int32_t* row_starts = nullptr;    ///< [pieces + 1]: places in `order` of piece p
  const std::int32_t* order = nullptr;         ///< [rows]: row numbers, ascending within a group
  /// [2], on a GPU: how many groups and pieces there really are, where `groups` and `pieces` only bound them. Null: so
  /// many.
  const std::int32_t* counts = nullptr;
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

struct LionStep {
  float learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.99;
  float weight_decay = 0;  ///< decoupled
  float gradient_scale = 1;
};

/// A slice cut into pieces: n elements, of which the first piece has `first`, the others `piece`, the last what is
/// left.
struct SlicePieces {
  std::int64_t n = 0;
  std::int64_t first = 0;
  std::int64_t piece = 1;

  [[nodiscard]] constexpr std::int64_t count() const { return n == 0 ? 0 : 1 + (n - first + piece - 1) / piece; }
  [[nodiscard]] constexpr std::int64_t begin(std::int64_t i) const { return i == 0 ? 0 : first + (i - 1) * piece; }
  [[nodiscard]] constexpr std::int64_t end(std::int64_t i) const {
    const std::int64_t until = first + i * piece;
    return until < n ? until : n;
  }
};

/// Where the sums of a piece of a matrix lie: those of the rows that it meets, in order, then those of columns.
struct FactoredSums {
  /// Pieces of at most `piece` elements of a matrix of so many columns.
  constexpr FactoredSums(std::int64_t piece, std::int64_t columns_of_matrix)
      : rows(piece / columns_of_matrix + 2),
        columns(piece < columns_of_matrix ? piece : columns_of_matrix),
        matrix_columns(columns_of_matrix) {}
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t matrix_columns;

  [[nodiscard]] constexpr std::int64_t size() const { return rows + columns; }
  /// Of a piece that begins at element `begin` of the matrix, which column sum i is of: column i, but where a piece is
  /// shorter than a row, the column of its element i.
  [[nodiscard]] constexpr std::int64_t column_of(std::int64_t i, std::int64_t begin) const {
    return columns == matrix_columns ? i : (begin + i) % matrix_columns;
  }
};

/// A slice that Adafactor updates. Of a vector it has the means of squared gradients themselves; of a matrix, elements
/// from `begin` on, the update is the gradient times a factor of the row and a factor of the column.
struct AdafactorSlice {
  float* parameters = nullptr;
  const float* gradients = nullptr;
  float* squares = nullptr;               ///< null for a matrix
  const float* row_factors = nullptr;     ///< [rows], of the whole matrix
  const float* column_factors = nullptr;  ///< [columns]
  std::int64_t begin = 0;
  std::int64_t columns = 0;
};

struct AdafactorStep {
  float gradient_scale = 1;
  float beta2 = 0;      ///< decay of the squares, in this step
  float epsilon = 0;    ///< added to squared gradients
  float step_size = 0;  ///< by which the update is multiplied
  float decay = 1;      ///< by which the parameters are multiplied before
};

/// A step of a sum in postfix notation: the next input, or the sum of the two topmost in their place.
enum class TreeStep : std::uint8_t { input, sum };

class Kernels {
 public:
  Kernels() = default;
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;
  virtual ~Kernels() = default;

  // ---- matmul ------------------------------------------------------------------------------------------------------
  /// c [m, n] (+)= op(a) [m, k] op(b) [k, n], where op transposes if asked. k may be 0: then c is zero (or unchanged).
  /// a and b have one type, c has theirs or f32.
  virtual void matmul(ConstRows a, bool transpose_a, ConstRows b, bool transpose_b, Rows c, bool accumulate) = 0;
  /// z = x weight^T + bias; y = activation(z). x [rows, in], weight [out, in], bias [1, out] (data may be null). z and
  /// y as in bias_activation_forward. A device that can do all of it in one pass overrides this.
  virtual void linear_forward(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, Rows z, Rows y);
  /// d_weight [out, in] (+)= dz^T x and d_bias [out] (may be null) (+)= sum of dz over rows; both f32.
  virtual void linear_weight_gradient(ConstRows dz, ConstRows x, Matrix d_weight, bool accumulate_weight, float* d_bias,
                                      bool accumulate_bias);

  // ---- activation --------------------------------------------------------------------------------------------------
  /// z [rows, columns] += bias [1, columns] (data may be null); y = activation(z). y may be z; then the activation's
  /// input is not kept.
  virtual void bias_activation_forward(Rows z, ConstRows bias, Activation activation, Rows y) = 0;
  /// dz = dy * activation'(z); d_bias (may be null) (+)= sum of dz over rows. y is what forward gave. Of z and y, one
  /// is read (slope_reads_input(), slope_reads_output()), and the other may be empty. dz may be dy.
  virtual void bias_activation_backward(ConstRows dy, ConstRows z, ConstRows y, Activation activation, Rows dz,
                                        float* d_bias, bool accumulate_bias) = 0;
  /// y = mask * x * scale; the same call on a gradient is its backward. y may be x.
  virtual void dropout(ConstRows x, RowNames names, const Dropout& dropout, Rows y) = 0;
  /// y (+)= x, of one shape but perhaps of two types; y may be x.
  virtual void copy(ConstRows x, Rows y, bool accumulate) = 0;
  /// Zero bytes.
  virtual void clear(void* data, std::int64_t bytes) = 0;

  // ---- layer_norm --------------------------------------------------------------------------------------------------
  /// sum = dropout(x) + residual (residual.data may be null, dropout inactive); y = (sum - mean) * rstd * weight +
  /// bias. `sum` may be null where no backward follows and may be x.data where residual is null and dropout inactive;
  /// mean, rstd [rows] may be null together with it. Variance is the biased one, as in torch.nn.LayerNorm.
  virtual void layer_norm_forward(ConstRows x, ConstRows residual, RowNames names, const Dropout& dropout,
                                  const float* weight, const float* bias, float epsilon, Rows y, Rows sum, float* mean,
                                  float* rstd) = 0;
  /// d_sum = gradient of the sum; d_residual (data may be null) (+)= d_sum; dx (data may be null) = dropout mask *
  /// d_sum (overwritten); d_weight, d_bias (each may be null) (+)=. sum, mean, rstd as forward left them.
  virtual void layer_norm_backward(ConstRows dy, ConstRows sum, const float* mean, const float* rstd,
                                   const float* weight, RowNames names, const Dropout& dropout, Rows dx,
                                   Rows d_residual, bool accumulate_residual, float* d_weight, bool accumulate_weight,
                                   float* d_bias, bool accumulate_bias) = 0;

  // ---- attention ---------------------------------------------------------------------------------------------------
  /// Multi-head attention within each sequence, no mask, no padding: out = softmax(scale q k^T) v for each head, in
  /// tiles with a running maximum and sum (Dao, Fu, Ermon, Rudra, Re: "FlashAttention", 2022), so that of one sequence
  /// at most a tile of scores exists at once. The scale is positive. k, v [tokens, heads * head_width], q, out
  /// [queries, heads * head_width], each with its own stride. log_sum_exp [heads * queries] is kept for backward (may
  /// be null), in the device's order. Dropout acts on the probabilities.
  ///
  /// All heads may share the keys and values, which then have head_width columns (Shazeer: "Fast transformer decoding:
  /// one write-head is all you need", 2019); q and out lie without gaps then. Only where heads_share_keys().
  virtual void attention_forward(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences,
                                 std::int64_t heads, float scale, const Dropout& dropout, Rows out,
                                 float* log_sum_exp) = 0;
  [[nodiscard]] virtual bool heads_share_keys() const { return false; }
  /// dq, dk, dv are overwritten. dk and dv may both be null where nobody wants them: in f32, and only where
  /// heads_share_keys().
  virtual void attention_backward(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                                  const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                                  float scale, const Dropout& dropout, Rows dq, Rows dk, Rows dv) = 0;

  // ---- embedding ---------------------------------------------------------------------------------------------------
  /// y[t] = words[ids[t]] + positions[position_ids[t]] + types[type_ids[t]]; types may be null. ids are checked by the
  /// caller. Tables are [entries, width], f32.
  virtual void embedding_sum_forward(const float* words, const std::int32_t* ids, const float* positions,
                                     const std::int32_t* position_ids, const float* types, const std::int32_t* type_ids,
                                     Rows y) = 0;
  /// d_table[ids[g]] += the sum of dy over the rows of group g; each piece of a group is summed in the order of its
  /// rows, and the pieces in theirs. Rows of the table that do not occur are not touched: the caller clears them.
  virtual void embedding_backward(ConstRows dy, const RowGroups& groups, float* d_table) = 0;
  /// y[i] = x[rows[i]].
  virtual void gather_rows(ConstRows x, const std::int32_t* rows, Rows y) = 0;
  /// dx[rows[i]] += dy[i] in the order of i; the caller clears dx.
  virtual void scatter_add_rows(ConstRows dy, const std::int32_t* rows, Rows dx) = 0;

  // ---- softmax_cross_entropy ---------------------------------------------------------------------------------------
  // A loss is added to sum [2] as a sum and what it has to be divided by: a count, or a sum of class weights.

  /// Softmax cross entropy of logits [rows, classes] against labels [rows] (-100: not counted), with class weights
  /// [classes] (may be null) and label smoothing in [0, 1) as torch.nn.functional.cross_entropy defines both.
  /// The sum is not divided. d_logits (data may be null; may be logits) is the gradient of the sum.
  virtual void cross_entropy(ConstRows logits, const std::int32_t* labels, const float* class_weights,
                             float label_smoothing, Rows d_logits, double* sum) = 0;
  /// Sigmoid and binary cross entropy of each element against targets [rows, columns] in [0, 1]; the weight is the
  /// number of elements.
  virtual void binary_cross_entropy(ConstRows logits, const float* targets, Rows d_logits, double* sum) = 0;
  /// Squared error of each element; the weight is the number of elements.
  virtual void mean_squared_error(ConstRows predictions, const float* targets, Rows d_predictions, double* sum) = 0;

  // ---- optimizer_step ----------------------------------------------------------------------------------------------
  /// One fused pass over a slice: scale, decay, moments, update. `working` (may be null) receives the updated
  /// parameters rounded to bf16.
  virtual void adamw_step(float* parameters, const float* gradients, float* first_moments, float* second_moments,
                          BFloat16* working, std::int64_t n, const AdamWStep& step) = 0;
  /// momenta may be null where the momentum is 0.
  virtual void sgd_step(float* parameters, const float* gradients, float* momenta, BFloat16* working, std::int64_t n,
                        const SgdStep& step) = 0;

  // ---- reduction ---------------------------------------------------------------------------------------------------
  /// out = a + b; out may be a or b.
  virtual void add(const float* a, const float* b, float* out, std::int64_t n) = 0;
  /// out [n] = the inputs [n] each, added in the order that `postfix` says. out may be an input. At no time are more
  /// than kMostTreeDepth sums open. The spans are the host's; the inputs are the device's.
  static constexpr int kMostTreeDepth = 33;
  virtual void add_tree(std::span<const float* const> inputs, std::span<const TreeStep> postfix, float* out,
                        std::int64_t n) = 0;
  /// sums[i] = the sum of squares of x[i * chunk, (i + 1) * chunk), accumulated in double, for i < chunks.
  virtual void chunk_square_sums(const float* x, std::int64_t chunk, std::int64_t chunks, double* sums) = 0;

  // ---- lion_step ---------------------------------------------------------------------------------------------------
  /// As adamw_step.
  virtual void lion_step(float* parameters, const float* gradients, float* momenta, BFloat16* working, std::int64_t n,
                         const LionStep& step) = 0;

  // ---- adafactor_step ----------------------------------------------------------------------------------------------
  /// Sums of squares over each row and each column of what lies of a matrix in each piece of a slice, which begins at
  /// element `begin` of it: sums [pieces.count()][FactoredSums(pieces.piece, columns).size()], those of rows or columns
  /// that a piece does not meet being zero. In an order that depends on the piece's place in the matrix alone.
  virtual void factored_square_sums(const float* gradients, const SlicePieces& pieces, std::int64_t begin,
                                    std::int64_t columns, double* sums) = 0;
  /// sums [pieces.count()][2]: of squares of the update, and of squares of the parameters. Takes the gradient into
  /// `squares` where there are any. Reads gradient_scale, beta2 and epsilon of the step.
  virtual void adafactor_square_sums(const AdafactorSlice& slice, const SlicePieces& pieces, const AdafactorStep& step,
                                     double* sums) = 0;
  /// The update itself, of n elements, with the squares as adafactor_square_sums left them.
  virtual void adafactor_step(const AdafactorSlice& slice, BFloat16* working, std::int64_t n,
                              const AdafactorStep& step) = 0;

  /// Where a kernel that is made of others finds them: at itself, unless something is wrapped around it that wants to
  /// see them too.
  void take_parts_from(Kernels& wrapper) { whole_ = &wrapper; }

 protected:
  [[nodiscard]] Kernels& whole() { return *whole_; }

 private:
  Kernels* whole_ = this;
};

}  // namespace temper
