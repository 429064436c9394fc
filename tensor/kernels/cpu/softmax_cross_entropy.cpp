// Losses with their gradients. A row's loss is stored and the rows are summed in
// their order, in double, so the sum does not depend on the number of threads.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/softmax_cross_entropy.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

HWY_INLINE float largest_of(const float* x, std::int64_t n) {
  const Floats d;
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto largest = lowest;
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    largest = hn::Max(largest, access.valid_or(d, access.load(d, x + i), lowest));
  };
  for_each_vector(d, n, step);
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

/// The sum of weight * (x - shift); weights may be null: then each is 1.
HWY_INLINE float weighted_sum(const float* x, float shift, const float* weights, std::int64_t n) {
  const Floats d;
  const auto shifts = hn::Set(d, shift);
  auto sum = hn::Zero(d);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto difference = access.valid_or_zero(d, hn::Sub(access.load(d, x + i), shifts));
    sum = weights == nullptr ? hn::Add(sum, difference) : hn::MulAdd(difference, access.load(d, weights + i), sum);
  };
  for_each_vector(d, n, step);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// y = factor * y - share * weight; weights may be null: then each is 1.
HWY_INLINE void finish_gradient(float* y, float factor, float share, const float* weights, std::int64_t n) {
  const Floats d;
  const auto factors = hn::Set(d, factor);
  const auto shares = hn::Set(d, share);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto constant = weights == nullptr ? shares : hn::Mul(shares, access.load(d, weights + i));
    access.store(hn::MulSub(access.load(d, y + i), factors, constant), d, y + i);
  };
  for_each_vector(d, n, step);
}

}  // namespace

/// One row's loss, and its gradient where d_logits is not null, both times row_weight. With z the logits, s the share
/// that smoothing gives a class, w the class weights and W their sum:
///   loss = -hit log p[label] - sum over c of s w[c] log p[c] + z_loss w[label] (ln Z)^2,   hit = (1 - smoothing)
///   w[label] gradient[c] = (hit + s W + 2 z_loss w[label] ln Z) p[c] - s w[c] - (c is the label) hit,   Z = sum of e^z
double cross_entropy_row(const float* logits, std::int32_t label, const float* class_weights, double total_weight,
                         double row_weight, double smoothing, double z_loss, std::int64_t classes, float* d_logits) {
  const double weight = row_weight * (class_weights == nullptr ? 1.0 : static_cast<double>(class_weights[label]));
  const double hit = (1.0 - smoothing) * weight;
  const double share = row_weight * (smoothing / static_cast<double>(classes));
  const float largest = largest_of(logits, classes);
  const double label_logit = static_cast<double>(logits[label]) - static_cast<double>(largest);
  const double smoothed =
      share == 0.0 ? 0.0 : share * static_cast<double>(weighted_sum(logits, largest, class_weights, classes));
  const double sum = sum_of_exponentials(logits, largest, classes, d_logits);
  const double log_z = static_cast<double>(largest) + std::log(sum);
  if (d_logits != nullptr) {
    const double mass = hit + share * total_weight + 2.0 * z_loss * weight * log_z;
    finish_gradient(d_logits, static_cast<float>(mass / sum), static_cast<float>(share), class_weights, classes);
    d_logits[label] -= static_cast<float>(hit);
  }
  return (hit + share * total_weight) * std::log(sum) - hit * label_logit - smoothed + z_loss * weight * log_z * log_z;
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(cross_entropy_row);

namespace {

/// A row of a matrix of either type as f32: the row itself, or a copy of it.
class FloatRow {
 public:
  explicit FloatRow(std::int64_t columns) : copy_(static_cast<std::size_t>(columns)) {}

  const float* read(ConstRows x, std::int64_t row) {
    if (x.type == DType::f32) {
      return x.as<float>().row(row);
    }
    std::transform(x.as<BFloat16>().row(row), x.as<BFloat16>().row(row) + x.columns, copy_.begin(), to_float);
    return copy_.data();
  }
  /// Where a row is to be written before deliver(); null where there is no matrix.
  float* target(Rows y, std::int64_t row) {
    if (y.data == nullptr) {
      return nullptr;
    }
    return y.type == DType::f32 ? y.as<float>().row(row) : copy_.data();
  }
  void deliver(Rows y, std::int64_t row) const {
    if (y.data != nullptr && y.type == DType::bf16) {
      std::transform(copy_.begin(), copy_.end(), y.as<BFloat16>().row(row), to_bfloat16);
    }
  }

 private:
  std::vector<float> copy_;
};

constexpr std::int32_t kNotCounted = -100;
constexpr std::int64_t kWorkOfExponential = 4;

/// Sums loss(row, x, dx) over rows in their order, whatever the number of threads; x and dx are room for a row of
/// logits and of their gradient.
template <typename RowLoss>
double sum_over_rows(std::int64_t rows, std::int64_t columns, std::int64_t work, const RowLoss& loss) {
  std::vector<double> losses(static_cast<std::size_t>(rows));
  parallel_ranges(rows, work, [&](std::int64_t begin, std::int64_t end) {
    FloatRow x(columns);
    FloatRow dx(columns);
    for (std::int64_t row = begin; row < end; ++row) {
      losses[static_cast<std::size_t>(row)] = loss(row, x, dx);
    }
  });
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace

void CpuKernels::run(const calls::CrossEntropy& call) {
  (void)common_type(call.kKernel.name, call.logits, call.d_logits);
  const std::int64_t classes = call.logits.columns;
  const auto weight_of_row = [&](std::int64_t row) {
    return call.row_weights == nullptr ? 1.0 : static_cast<double>(call.row_weights[row]);
  };
  for (std::int64_t row = 0; row < call.logits.rows; ++row) {
    const std::int32_t label = call.labels[row];
    if (label != kNotCounted && (label < 0 || label >= classes)) {
      throw Error(
          "Row {} has the label {}, but there are {} classes: a label is 0 to {}, or {} for a row that is not "
          "counted.",
          row, label, classes, classes - 1, kNotCounted);
    }
    if (label != kNotCounted) {
      call.sum[1] +=
          weight_of_row(row) * (call.class_weights == nullptr ? 1.0 : static_cast<double>(call.class_weights[label]));
    }
  }
  const double total_weight = call.class_weights == nullptr
                                  ? static_cast<double>(classes)
                                  : std::accumulate(call.class_weights, call.class_weights + classes, 0.0);
  const std::int64_t work = classes * kWorkOfExponential;
  call.sum[0] += sum_over_rows(call.logits.rows, classes, work, [&](std::int64_t row, FloatRow& x, FloatRow& dx) {
    float* d_row = dx.target(call.d_logits, row);
    double loss = 0.0;
    if (call.labels[row] != kNotCounted) {
      loss = HWY_DYNAMIC_DISPATCH(cross_entropy_row)(
          x.read(call.logits, row), call.labels[row], call.class_weights, total_weight, weight_of_row(row),
          static_cast<double>(call.label_smoothing), static_cast<double>(call.z_loss), classes, d_row);
    } else if (d_row != nullptr) {
      std::fill_n(d_row, classes, 0.0F);
    }
    dx.deliver(call.d_logits, row);
    return loss;
  });
}

void CpuKernels::run(const calls::BinaryCrossEntropy& call) {
  (void)common_type(call.kKernel.name, call.logits, call.d_logits);
  // log(1 + e^-|z|) + max(z, 0) - z t, which no z overflows. There are few such logits: one per label and example.
  const std::int64_t columns = call.logits.columns;
  call.sum[0] +=
      sum_over_rows(call.logits.rows, columns, columns * 32, [&](std::int64_t row, FloatRow& x, FloatRow& dx) {
        const float* logit_row = x.read(call.logits, row);
        float* d_row = dx.target(call.d_logits, row);
        double row_loss = 0.0;
        for (std::int64_t column = 0; column < columns; ++column) {
          const double z = logit_row[column];
          const double target = call.targets[row * columns + column];
          const double e = std::exp(-std::abs(z));
          row_loss += std::log1p(e) + std::max(z, 0.0) - z * target;
          if (d_row != nullptr) {
            d_row[column] = static_cast<float>((z < 0 ? e : 1.0) / (1.0 + e) - target);
          }
        }
        dx.deliver(call.d_logits, row);
        return row_loss;
      });
  call.sum[1] += static_cast<double>(call.logits.rows * call.logits.columns);
}

void CpuKernels::run(const calls::MeanSquaredError& call) {
  (void)common_type(call.kKernel.name, call.predictions, call.d_predictions);
  const std::int64_t columns = call.predictions.columns;
  call.sum[0] +=
      sum_over_rows(call.predictions.rows, columns, columns, [&](std::int64_t row, FloatRow& x, FloatRow& dx) {
        const float* values = x.read(call.predictions, row);
        float* d_row = dx.target(call.d_predictions, row);
        double row_loss = 0.0;
        for (std::int64_t column = 0; column < columns; ++column) {
          const double difference =
              static_cast<double>(values[column]) - static_cast<double>(call.targets[row * columns + column]);
          row_loss += difference * difference;
          if (d_row != nullptr) {
            d_row[column] = static_cast<float>(2.0 * difference);
          }
        }
        dx.deliver(call.d_predictions, row);
        return row_loss;
      });
  call.sum[1] += static_cast<double>(call.predictions.rows * call.predictions.columns);
}

}  // namespace temper
#endif  // HWY_ONCE
