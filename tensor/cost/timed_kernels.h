// Where the time of a run goes: the kernels of a device, each call timed and added up by name.
//
// What a reader would otherwise get wrong: the device is waited for before and behind every call, so nothing overlaps
// any more and the run is slower than usual. In return a row holds its own kernel's time and nothing else's: copies
// between host and device, and waits for other ranks, are in no row.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/timeline.h"
#include "tensor/cost/kernel_work.h"
#include "tensor/kernels.h"

namespace temper {

struct KernelTime {
  std::string name;  ///< as in tensor/kernels.h
  std::int64_t calls = 0;
  double seconds = 0.0;  ///< of the kernel itself; of one that is made of others, without those
  KernelWork work = {};  ///< in all; of one that is made of others, none: it is theirs
};

/// Whether a kernel of this name is limited by operations rather than by memory: a matrix product or attention.
bool is_product_or_attention(std::string_view kernel);

/// The share, 0 to 1, of the rows' seconds that went into anything but matrix products and attention; 0 if there are
/// none. A bias or an activation that a device adds in the product's own pass counts as the product.
double share_outside_products_and_attention(std::span<const KernelTime> times);

class TimedKernels final : public Kernels {
 public:
  /// `wait` returns once the device has done what it was given. From now on `kernels` is to be used through this object
  /// alone; it must be there as long as it is used. `host_memory`: arrays of sequences may be read here.
  TimedKernels(Kernels& kernels, std::function<void()> wait, bool host_memory = true);

  /// Calls go there too (may be null).
  void set_timeline(Timeline* timeline) { timeline_ = timeline; }
  /// `see` is told of every call that is not made of others.
  void observe(std::function<void(std::string_view name, const KernelWork& work)> see) { see_ = std::move(see); }

  /// A row for each kernel that was called, the longest first.
  [[nodiscard]] std::vector<KernelTime> times() const;
  /// Begins anew.
  void forget_times() { rows_.clear(); }

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
  [[nodiscard]] bool heads_share_keys() const override { return kernels_.heads_share_keys(); }
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
  using Clock = std::chrono::steady_clock;
  struct Row {
    std::int64_t calls = 0;
    double seconds = 0.0;
    KernelWork work;
  };

  template <typename Call>
  void time(std::string_view name, const KernelWork& work, const Call& call);

  Kernels& kernels_;
  std::function<void()> wait_;
  bool host_memory_;
  Timeline* timeline_ = nullptr;
  std::function<void(std::string_view, const KernelWork&)> see_;
  std::map<std::string_view, Row> rows_;
  double seconds_of_parts_ = 0.0;  ///< of the kernels that the one being timed is made of, so far
  std::int64_t parts_ = 0;         ///< how many of them
};

}  // namespace temper
