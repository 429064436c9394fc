#include "tensor/ops/linear_cross_entropy.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/ops/gradients.h"
#include "tensor/ops/preference.h"

namespace temper {
namespace {

/// Of what the host's caches and threads like, and a GPU's many processors. Columns are a multiple of the parts that
/// products are cut into (tensor/kernels/cpu/matmul).
constexpr std::int64_t kHostClasses = 3072;
constexpr std::int64_t kHostRows = 512;
constexpr std::int64_t kHostBytes = std::int64_t{64} << 20;
constexpr std::int64_t kDeviceClasses = 32768;
constexpr std::int64_t kDeviceRows = 4096;
constexpr std::int64_t kDeviceBytes = std::int64_t{512} << 20;
constexpr std::int64_t kRowGranule = 32;
constexpr std::int64_t kProductRows = 256;

LogitRow* statistics_of(const Tensor& tensor) { return static_cast<LogitRow*>(tensor.bytes()); }

void add_losses_of(Tape& tape, const Tensor& statistics, const std::int32_t* labels, std::int64_t classes,
                   const CrossEntropyTerms& terms, const Tensor& sum, const RowLosses& of_rows) {
  tape.kernels().run(
      calls::LogitLoss{.statistics = statistics_of(statistics),
                       .labels = labels,
                       .rows = statistics.rows(),
                       .classes = classes,
                       .terms = terms,
                       .sum = sum.data<double>(),
                       .losses = of_rows.losses.defined() ? of_rows.losses.data<double>() : nullptr,
                       .predicted = of_rows.predicted.defined() ? of_rows.predicted.data<std::int32_t>() : nullptr});
}

/// Some rows of x, with their logits and gradients.
class LogitPass {
 public:
  LogitPass(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias, const LogitShape& shape,
            const Tensor& labels, const CrossEntropyTerms& terms)
      : tape_(tape),
        x_(x.value()),
        weight_(weight.compute_copy()),
        bias_(bias.defined() ? bias.value().data<float>() : nullptr),
        shape_(shape),
        labels_(labels.data<std::int32_t>()),
        terms_(terms),
        records_(tape.records({&x, &weight, &bias})),
        blocks_(LogitBlocks::of(x_.rows(), classes(), records_, tape.device().shares_host_memory())) {
    if (weight_.columns() != x_.columns())
      throw Error("linear_cross_entropy: the input has shape {}, expected {} columns", x_.shape().text(),
                  weight_.columns());
    const std::int64_t width = records_ ? classes() : std::min(blocks_.classes, classes());
    statistics_ = tape.empty({x_.rows(), kLogitRowDoubles}, DType::f64);
    logits_ = tape.empty({blocks_.rows * width});
    if (!records_) return;
    if (x_.type() != DType::f32) {
      rounded_ = tape.empty({blocks_.rows * std::min(blocks_.classes, classes())}, x_.type());
      if (x.requires_gradient()) dx_sum_ = tape.empty({blocks_.rows, x_.columns()});
    }
    dx_ = wanted_gradient(tape, x);
    d_weight_ = wanted_gradient(tape, weight);
    d_bias_ = wanted_gradient(tape, bias);
    if (x_.rows() > 0) return;
    // Nothing will be written.
    if (d_weight_.tensor.defined() && !d_weight_.accumulate) clear(d_weight_.tensor);
    if (d_bias_.tensor.defined() && !d_bias_.accumulate) clear(d_bias_.tensor);
  }

  void run() {
    for_each_part_of_rows([&](std::int64_t first, std::int64_t rows) {
      meet_rows(first, rows);
      if (records_) differentiate_rows(first, rows);
    });
  }

  /// The same of a loss whose gradient by a row's loss follows from the losses of all rows: `weigh` makes f32 [rows] of
  /// f64 [rows].
  template <typename Weigh>
  void run_weighted(const Weigh& weigh) {
    for_each_part_of_rows([&](std::int64_t first, std::int64_t rows) { meet_rows(first, rows); });
    const Tensor losses = tape_.empty({x_.rows()}, DType::f64);
    const Tensor unread = tape_.empty({2}, DType::f64);
    clear(unread);
    add_to(unread, {losses});
    row_weights_ = weigh(losses);
    if (!records_) return;
    terms_.row_weights = row_weights_.data<float>();
    const bool in_one = blocks_.rows >= x_.rows();
    for_each_part_of_rows([&](std::int64_t first, std::int64_t rows) {
      if (!in_one) meet_rows(first, rows);  // finds the same statistics again
      differentiate_rows(first, rows);
    });
  }

  void add_to(const Tensor& sum, const RowLosses& of_rows) const {
    add_losses_of(tape_, statistics_, labels_, classes(), terms_, sum, of_rows);
  }

  [[nodiscard]] bool records() const { return records_; }

 private:
  [[nodiscard]] std::int64_t classes() const { return weight_.rows(); }
  [[nodiscard]] LogitRow* statistics(std::int64_t row) const { return statistics_of(statistics_) + row; }
  /// Those of the rows from `first` on.
  [[nodiscard]] CrossEntropyTerms terms_from(std::int64_t first) const {
    CrossEntropyTerms terms = terms_;
    if (terms.row_weights != nullptr) terms.row_weights += first;
    return terms;
  }
  void clear(const Tensor& tensor) const {
    tape_.kernels().run(calls::Clear{.data = tensor.bytes(), .bytes = tensor.size_bytes()});
  }
  template <typename Body>
  void for_each_part_of_rows(const Body& body) const {
    for (std::int64_t first = 0; first < x_.rows(); first += blocks_.rows)
      body(first, std::min(blocks_.rows, x_.rows() - first));
  }
  template <typename Body>
  void for_each_block(const Body& body) const {
    for (std::int64_t first = 0; first < classes(); first += blocks_.classes)
      body(first, std::min(blocks_.classes, classes() - first));
  }
  /// Blocks of kept logits lie one after the other.
  [[nodiscard]] Matrix logits(std::int64_t rows, std::int64_t first_class, std::int64_t count) const {
    return {logits_.data<float>() + (records_ ? rows * first_class : 0), rows, count, count};
  }

  void meet_rows(std::int64_t first, std::int64_t rows) const {
    for_each_block([&](std::int64_t first_class, std::int64_t count) { meet(first, rows, first_class, count); });
  }
  void differentiate_rows(std::int64_t first, std::int64_t rows) const {
    for_each_block(
        [&](std::int64_t first_class, std::int64_t count) { differentiate(first, rows, first_class, count); });
    if (dx_sum_.defined())
      tape_.kernels().run(calls::Copy{.x = dx_sum_.as_rows().part(0, rows),
                                      .y = dx_.tensor.as_rows().part(first, rows),
                                      .accumulate = dx_.accumulate});
  }

  void meet(std::int64_t first, std::int64_t rows, std::int64_t first_class, std::int64_t count) const {
    const Matrix block = logits(rows, first_class, count);
    tape_.kernels().run(calls::Matmul{.a = x_.as_rows().part(first, rows),
                                      .b = weight_.as_rows().part(first_class, count),
                                      .transpose_b = true,
                                      .c = block});
    tape_.kernels().run(calls::LogitStatistics{.logits = block,
                                               .bias = bias_ == nullptr ? nullptr : bias_ + first_class,
                                               .shape = shape_,
                                               .first_class = first_class,
                                               .labels = labels_ + first,
                                               .statistics = statistics(first)});
  }

  void differentiate(std::int64_t first, std::int64_t rows, std::int64_t first_class, std::int64_t count) const {
    const Matrix block = logits(rows, first_class, count);
    const Rows gradient = rounded_.defined() ? Rows(rounded_.bytes(), rows, count, count, rounded_.type()) : block;
    tape_.kernels().run(calls::LogitGradient{.logits = block,
                                             .shape = shape_,
                                             .first_class = first_class,
                                             .classes = classes(),
                                             .labels = labels_ + first,
                                             .statistics = statistics(first),
                                             .terms = terms_from(first),
                                             .gradient = gradient});
    if (dx_.tensor.defined()) {
      const bool sums_apart = dx_sum_.defined();
      tape_.kernels().run(
          calls::Matmul{.a = gradient,
                        .b = weight_.as_rows().part(first_class, count),
                        .c = sums_apart ? dx_sum_.as_rows().part(0, rows) : dx_.tensor.as_rows().part(first, rows),
                        .accumulate = first_class > 0 || (!sums_apart && dx_.accumulate)});
    }
    float* const d_bias = d_bias_.tensor.defined() ? d_bias_.parameter() + first_class : nullptr;
    if (d_weight_.tensor.defined()) {
      tape_.kernels().run(
          calls::LinearWeightGradient{.dz = gradient,
                                      .x = x_.as_rows().part(first, rows),
                                      .d_weight = d_weight_.tensor.as_rows().part(first_class, count).as<float>(),
                                      .accumulate_weight = first > 0 || d_weight_.accumulate,
                                      .d_bias = d_bias,
                                      .accumulate_bias = first > 0 || d_bias_.accumulate});
    } else if (d_bias != nullptr) {
      tape_.kernels().run(calls::BiasActivationBackward{
          .dy = gradient, .dz = gradient, .d_bias = d_bias, .accumulate_bias = first > 0 || d_bias_.accumulate});
    }
  }

  Tape& tape_;
  const Tensor& x_;
  const Tensor& weight_;
  const float* bias_;
  LogitShape shape_;
  const std::int32_t* labels_;
  CrossEntropyTerms terms_;
  bool records_;
  LogitBlocks blocks_;
  Tensor statistics_;   ///< of all rows, as LogitRow
  Tensor logits_;       ///< f32, of the rows that are at work
  Tensor rounded_;      ///< of activations in bf16: the gradient of a block of logits
  Tensor row_weights_;  ///< f32, of all rows, of run_weighted: what terms_ points at
  Tensor dx_sum_;       ///< of activations in bf16: their gradient, f32, before it is rounded
  GradientTarget dx_;
  GradientTarget d_weight_;
  GradientTarget d_bias_;
};

}  // namespace

LogitBlocks LogitBlocks::of(std::int64_t rows, std::int64_t classes, bool keeps, bool on_host) {
  LogitBlocks blocks{on_host ? kHostRows : kDeviceRows, on_host ? kHostClasses : kDeviceClasses};
  const std::int64_t bytes = on_host ? kHostBytes : kDeviceBytes;
  const std::int64_t width = std::max<std::int64_t>(keeps ? classes : std::min(classes, blocks.classes), 1);
  const std::int64_t fitting = bytes / static_cast<std::int64_t>(sizeof(float)) / width / kRowGranule * kRowGranule;
  blocks.rows = std::clamp(fitting, kRowGranule, blocks.rows);
  // Whole parts of products: a small one would leave threads without work.
  if (blocks.rows > kProductRows) blocks.rows = blocks.rows / kProductRows * kProductRows;
  blocks.rows = std::clamp<std::int64_t>(rows, 1, blocks.rows);
  return blocks;
}

void linear_cross_entropy(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                          const LogitShape& shape, const Tensor& labels, const CrossEntropyTerms& terms,
                          const Tensor& sum, const RowLosses& of_rows) {
  LogitPass pass(tape, x, weight, bias, shape, labels, terms);
  pass.run();
  pass.add_to(sum, of_rows);
  // The gradients are there; what is left is to say when.
  if (pass.records()) tape.record({&x, &weight, &bias}, [] {});
}

void linear_preference_loss(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                            const LogitShape& shape, const Tensor& labels, const PreferencePairs& pairs,
                            const PreferenceTerms& terms, const Tensor& sum) {
  LogitPass pass(tape, x, weight, bias, shape, labels, {});
  pass.run_weighted([&](const Tensor& losses) { return preference_weights(tape, losses, pairs, terms, sum); });
  if (pass.records()) tape.record({&x, &weight, &bias}, [] {});
}

void row_cross_entropy(Tape& tape, const Variable& logits, const Tensor& labels, const CrossEntropyTerms& terms,
                       const Tensor& sum, const RowLosses& of_rows) {
  Tensor values = logits.value();
  if (values.type() != DType::f32) {
    values = tape.empty(values.shape());
    tape.kernels().run(calls::Copy{.x = logits.value().as_rows(), .y = values.as_rows()});
  }
  const Tensor statistics = tape.empty({values.rows(), kLogitRowDoubles}, DType::f64);
  tape.kernels().run(calls::LogitStatistics{.logits = values.as_rows().as<float>(),
                                            .first_class = 0,
                                            .labels = labels.data<std::int32_t>(),
                                            .statistics = statistics_of(statistics)});
  add_losses_of(tape, statistics, labels.data<std::int32_t>(), values.columns(), terms, sum, of_rows);
}

}  // namespace temper
