#include "tensor/cost/timed_kernels.h"

#include <algorithm>
#include <utility>

namespace temper {

bool is_product_or_attention(std::string_view kernel) {
  return kernel == "matmul" || kernel.starts_with("linear_") || kernel.starts_with("attention_");
}

double share_outside_products_and_attention(std::span<const KernelTime> times) {
  double all = 0.0;
  double outside = 0.0;
  for (const KernelTime& time : times) {
    all += time.seconds;
    if (!is_product_or_attention(time.name)) outside += time.seconds;
  }
  return all > 0.0 ? outside / all : 0.0;
}

TimedKernels::TimedKernels(Kernels& kernels, std::function<void()> wait, bool host_memory)
    : kernels_(kernels), wait_(std::move(wait)), host_memory_(host_memory) {
  kernels_.take_parts_from(*this);
}

std::vector<KernelTime> TimedKernels::times() const {
  std::vector<KernelTime> times;
  for (const auto& [name, row] : rows_) times.push_back({std::string(name), row.calls, row.seconds, row.work});
  std::stable_sort(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return times;
}

template <typename Call>
void TimedKernels::time(std::string_view name, const KernelWork& work, const Call& call) {
  // What was under way before is not this kernel's.
  wait_();
  const double parts_of_caller = std::exchange(seconds_of_parts_, 0.0);
  const std::int64_t parts_before = parts_;
  const Clock::time_point began = Clock::now();
  call();
  wait_();
  const Clock::time_point ended = Clock::now();
  const double seconds = std::chrono::duration<double>(ended - began).count();
  if (timeline_ != nullptr && timeline_->recording()) timeline_->add(Timeline::Track::kernels, name, -1, began, ended);
  Row& row = rows_[name];
  ++row.calls;
  row.seconds += seconds - seconds_of_parts_;
  if (parts_ == parts_before) {
    row.work += work;
    if (see_) see_(name, work);
  }
  ++parts_;
  seconds_of_parts_ = parts_of_caller + seconds;
}

void TimedKernels::matmul(ConstRows a, bool transpose_a, ConstRows b, bool transpose_b, Rows c, bool accumulate) {
  time("matmul", matmul_work(a, transpose_a, b, c, accumulate),
       [&] { kernels_.matmul(a, transpose_a, b, transpose_b, c, accumulate); });
}

void TimedKernels::linear_forward(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, Rows z,
                                  Rows y) {
  time("linear_forward", linear_forward_work(x, weight, bias, activation, z, y),
       [&] { kernels_.linear_forward(x, weight, bias, activation, z, y); });
}

void TimedKernels::linear_weight_gradient(ConstRows dz, ConstRows x, Matrix d_weight, bool accumulate_weight,
                                          float* d_bias, bool accumulate_bias) {
  time("linear_weight_gradient", linear_weight_gradient_work(dz, x, accumulate_weight, d_bias),
       [&] { kernels_.linear_weight_gradient(dz, x, d_weight, accumulate_weight, d_bias, accumulate_bias); });
}

void TimedKernels::bias_activation_forward(Rows z, ConstRows bias, Activation activation, Rows y) {
  time("bias_activation_forward",
       elementwise_work({z, z, z.data != y.data ? y : Rows()}, 1.0 + activation_operations(activation)),
       [&] { kernels_.bias_activation_forward(z, bias, activation, y); });
}

void TimedKernels::bias_activation_backward(ConstRows dy, ConstRows z, ConstRows y, Activation activation, Rows dz,
                                            float* d_bias, bool accumulate_bias) {
  time("bias_activation_backward", activation_backward_work(dy, z, y, activation, dz),
       [&] { kernels_.bias_activation_backward(dy, z, y, activation, dz, d_bias, accumulate_bias); });
}

void TimedKernels::dropout(ConstRows x, RowNames names, const Dropout& dropout, Rows y) {
  time("dropout", elementwise_work({x, y}, 2.0), [&] { kernels_.dropout(x, names, dropout, y); });
}

void TimedKernels::copy(ConstRows x, Rows y, bool accumulate) {
  time("copy", elementwise_work({x, y, accumulate ? y : Rows()}, accumulate ? 1.0 : 0.0),
       [&] { kernels_.copy(x, y, accumulate); });
}

void TimedKernels::clear(void* data, std::int64_t bytes) {
  time("clear", array_work(bytes, 1.0, 0.0), [&] { kernels_.clear(data, bytes); });
}

void TimedKernels::layer_norm_forward(ConstRows x, ConstRows residual, RowNames names, const Dropout& dropout,
                                      const float* weight, const float* bias, float epsilon, Rows y, Rows sum,
                                      float* mean, float* rstd) {
  time("layer_norm_forward",
       elementwise_work({x, residual, y, sum.data != x.data ? sum : Rows()}, dropout.active() ? 10.0 : 8.0),
       [&] { kernels_.layer_norm_forward(x, residual, names, dropout, weight, bias, epsilon, y, sum, mean, rstd); });
}

void TimedKernels::layer_norm_backward(ConstRows dy, ConstRows sum, const float* mean, const float* rstd,
                                       const float* weight, RowNames names, const Dropout& dropout, Rows dx,
                                       Rows d_residual, bool accumulate_residual, float* d_weight,
                                       bool accumulate_weight, float* d_bias, bool accumulate_bias) {
  time("layer_norm_backward",
       elementwise_work({dy, sum, dx, d_residual, accumulate_residual ? d_residual : Rows()},
                        dropout.active() ? 14.0 : 12.0),
       [&] {
         kernels_.layer_norm_backward(dy, sum, mean, rstd, weight, names, dropout, dx, d_residual, accumulate_residual,
                                      d_weight, accumulate_weight, d_bias, accumulate_bias);
       });
}

void TimedKernels::attention_forward(ConstRows q, ConstRows k, ConstRows v, const PackedSequences& sequences,
                                     std::int64_t heads, float scale, const Dropout& dropout, Rows out,
                                     float* log_sum_exp) {
  time("attention_forward", attention_forward_work(q, k, score_count(sequences, q.rows, host_memory_)),
       [&] { kernels_.attention_forward(q, k, v, sequences, heads, scale, dropout, out, log_sum_exp); });
}

void TimedKernels::attention_backward(ConstRows q, ConstRows k, ConstRows v, ConstRows out, ConstRows d_out,
                                      const float* log_sum_exp, const PackedSequences& sequences, std::int64_t heads,
                                      float scale, const Dropout& dropout, Rows dq, Rows dk, Rows dv) {
  const double scores = score_count(sequences, q.rows, host_memory_);
  time("attention_backward", attention_backward_work(q, k, scores, dk.data != nullptr), [&] {
    kernels_.attention_backward(q, k, v, out, d_out, log_sum_exp, sequences, heads, scale, dropout, dq, dk, dv);
  });
}

void TimedKernels::embedding_sum_forward(const float* words, const std::int32_t* ids, const float* positions,
                                         const std::int32_t* position_ids, const float* types,
                                         const std::int32_t* type_ids, Rows y) {
  time("embedding_sum_forward",
       elementwise_work({y, y, y, types != nullptr ? y : Rows()}, types != nullptr ? 2.0 : 1.0),
       [&] { kernels_.embedding_sum_forward(words, ids, positions, position_ids, types, type_ids, y); });
}

void TimedKernels::embedding_backward(ConstRows dy, const RowGroups& groups, float* d_table) {
  time("embedding_backward", elementwise_work({dy, dy}, 1.0),
       [&] { kernels_.embedding_backward(dy, groups, d_table); });
}

void TimedKernels::gather_rows(ConstRows x, const std::int32_t* rows, Rows y) {
  time("gather_rows", elementwise_work({y, y}, 0.0), [&] { kernels_.gather_rows(x, rows, y); });
}

void TimedKernels::scatter_add_rows(ConstRows dy, const std::int32_t* rows, Rows dx) {
  time("scatter_add_rows", elementwise_work({dy, dy, dy}, 1.0), [&] { kernels_.scatter_add_rows(dy, rows, dx); });
}

void TimedKernels::cross_entropy(ConstRows logits, const std::int32_t* labels, const float* class_weights,
                                 float label_smoothing, Rows d_logits, double* sum) {
  time("cross_entropy", elementwise_work({logits, d_logits}, 4.0),
       [&] { kernels_.cross_entropy(logits, labels, class_weights, label_smoothing, d_logits, sum); });
}

void TimedKernels::binary_cross_entropy(ConstRows logits, const float* targets, Rows d_logits, double* sum) {
  time("binary_cross_entropy", elementwise_work({logits, logits, d_logits}, 4.0),
       [&] { kernels_.binary_cross_entropy(logits, targets, d_logits, sum); });
}

void TimedKernels::mean_squared_error(ConstRows predictions, const float* targets, Rows d_predictions, double* sum) {
  time("mean_squared_error", elementwise_work({predictions, predictions, d_predictions}, 3.0),
       [&] { kernels_.mean_squared_error(predictions, targets, d_predictions, sum); });
}

void TimedKernels::adamw_step(float* parameters, const float* gradients, float* first_moments, float* second_moments,
                              BFloat16* working, std::int64_t n, const AdamWStep& step) {
  time("adamw_step", adamw_work(n, working != nullptr),
       [&] { kernels_.adamw_step(parameters, gradients, first_moments, second_moments, working, n, step); });
}

void TimedKernels::sgd_step(float* parameters, const float* gradients, float* momenta, BFloat16* working,
                            std::int64_t n, const SgdStep& step) {
  time("sgd_step", array_work(n, (momenta != nullptr ? 20.0 : 12.0) + (working != nullptr ? 2.0 : 0.0), 6.0),
       [&] { kernels_.sgd_step(parameters, gradients, momenta, working, n, step); });
}

void TimedKernels::lion_step(float* parameters, const float* gradients, float* momenta, BFloat16* working,
                             std::int64_t n, const LionStep& step) {
  time("lion_step", lion_work(n, working != nullptr),
       [&] { kernels_.lion_step(parameters, gradients, momenta, working, n, step); });
}

void TimedKernels::factored_square_sums(const float* gradients, const SlicePieces& pieces, std::int64_t begin,
                                        std::int64_t columns, double* sums) {
  time("factored_square_sums", factored_square_sums_work(pieces.n),
       [&] { kernels_.factored_square_sums(gradients, pieces, begin, columns, sums); });
}

void TimedKernels::adafactor_square_sums(const AdafactorSlice& slice, const SlicePieces& pieces,
                                         const AdafactorStep& step, double* sums) {
  time("adafactor_square_sums", adafactor_square_sums_work(pieces.n, slice.squares != nullptr),
       [&] { kernels_.adafactor_square_sums(slice, pieces, step, sums); });
}

void TimedKernels::adafactor_step(const AdafactorSlice& slice, BFloat16* working, std::int64_t n,
                                  const AdafactorStep& step) {
  time("adafactor_step", adafactor_work(n, slice.squares != nullptr, working != nullptr),
       [&] { kernels_.adafactor_step(slice, working, n, step); });
}

void TimedKernels::add(const float* a, const float* b, float* out, std::int64_t n) {
  time("add", array_work(n, 12.0, 1.0), [&] { kernels_.add(a, b, out, n); });
}

void TimedKernels::add_tree(std::span<const float* const> inputs, std::span<const TreeStep> postfix, float* out,
                            std::int64_t n) {
  const bool stays = inputs.size() == 1 && inputs.front() == out;
  time("add_tree", add_tree_work(stays ? 0 : n, inputs.size()), [&] { kernels_.add_tree(inputs, postfix, out, n); });
}

void TimedKernels::chunk_square_sums(const float* x, std::int64_t chunk, std::int64_t chunks, double* sums) {
  time("chunk_square_sums", chunk_square_sums_work(chunk * chunks),
       [&] { kernels_.chunk_square_sums(x, chunk, chunks, sums); });
}

}  // namespace temper
