// Losses with their gradients. A row's loss is stored and the rows are summed in
// their order, in double, so the sum does not depend on the number of threads.
#include "tensor/kernels/cpu/vector_targets.h"
//
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/softmax_cross_entropy.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector_math-inl.h"

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

/// The sum of e^(x - shift), whose terms are left in y where y is not null.
HWY_INLINE float sum_of_exponentials(const float* x, float shift, std::int64_t n, float* y) {
  const Floats d;
  const auto shifts = hn::Set(d, shift);
  auto sum = hn::Zero(d);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto e = exponential(d, hn::Sub(access.load(d, x + i), shifts));
    sum = hn::Add(sum, access.valid_or_zero(d, e));
    if (y != nullptr) {
      access.store(e, d, y + i);
    }
  };
  for_each_vector(d, n, step);
  return hn::GetLane(hn::SumOfLanes(d, sum));
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

/// One row's loss, and its gradient where d_logits is not null. With z the logits, s the share that smoothing gives a
/// class, w the class weights and W their sum:
///   loss = -hit log p[label] - sum over c of s w[c] log p[c],   hit = (1 - smoothing) w[label]
///   gradient[c] = (hit + s W) p[c] - s w[c] - (c is the label) hit
double cross_entropy_row(const float* logits, std::int32_t label, const float* class_weights, double total_weight,
                         double smoothing, std::int64_t classes, float* d_logits) {
  const double weight = class_weights == nullptr ? 1.0 : static_cast<double>(class_weights[label]);
  const double hit = (1.0 - smoothing) * weight;
  const double share = smoothing / static_cast<double>(classes);
  const float largest = largest_of(logits, classes);
  const double label_logit = static_cast<double>(logits[label]) - static_cast<double>(largest);
  const double smoothed =
      share == 0.0 ? 0.0 : share * static_cast<double>(weighted_sum(logits, largest, class_weights, classes));
  const double sum = sum_of_exponentials(logits, largest, classes, d_logits);
  if (d_logits != nullptr) {
    finish_gradient(d_logits, static_cast<float>((hit + share * total_weight) / sum), static_cast<float>(share),
                    class_weights, classes);
    d_logits[label] -= static_cast<float>(hit);
  }
  return (hit + share * total_weight) * std::log(sum) - hit * label_logit - smoothed;
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(cross_entropy_row);

namespace {

constexpr std::int32_t kNotCounted = -100;
constexpr std::int64_t kWorkOfExponential = 4;

/// Sums loss(row) over rows in their order, whatever the number of threads.
template <typename RowLoss>
double sum_over_rows(std::int64_t rows, std::int64_t work, const RowLoss& loss) {
  std::vector<double> losses(static_cast<std::size_t>(rows));
  parallel_ranges(rows, work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      losses[static_cast<std::size_t>(row)] = loss(row);
    }
  });
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace

void CpuKernels::cross_entropy(ConstRows logit_rows, const std::int32_t* labels, const float* class_weights,
                               float label_smoothing, Rows d_logit_rows, double* sum) {
  const ConstMatrix logits = f32(logit_rows);
  const Matrix d_logits = f32(d_logit_rows);
  const std::int64_t classes = logits.columns;
  for (std::int64_t row = 0; row < logits.rows; ++row) {
    const std::int32_t label = labels[row];
    if (label != kNotCounted && (label < 0 || label >= classes)) {
      throw Error(
          "Row {} has the label {}, but there are {} classes: a label is 0 to {}, or {} for a row that is not "
          "counted.",
          row, label, classes, classes - 1, kNotCounted);
    }
    if (label != kNotCounted) {
      sum[1] += class_weights == nullptr ? 1.0 : static_cast<double>(class_weights[label]);
    }
  }
  const double total_weight = class_weights == nullptr ? static_cast<double>(classes)
                                                       : std::accumulate(class_weights, class_weights + classes, 0.0);
  sum[0] += sum_over_rows(logits.rows, classes * kWorkOfExponential, [&](std::int64_t row) {
    float* d_row = d_logits.data == nullptr ? nullptr : d_logits.row(row);
    if (labels[row] == kNotCounted) {
      if (d_row != nullptr) {
        std::fill_n(d_row, classes, 0.0F);
      }
      return 0.0;
    }
    return HWY_DYNAMIC_DISPATCH(cross_entropy_row)(logits.row(row), labels[row], class_weights, total_weight,
                                                   static_cast<double>(label_smoothing), classes, d_row);
  });
}

void CpuKernels::binary_cross_entropy(ConstRows logit_rows, const float* targets, Rows d_logit_rows, double* sum) {
  const ConstMatrix logits = f32(logit_rows);
  const Matrix d_logits = f32(d_logit_rows);
  // log(1 + e^-|z|) + max(z, 0) - z t, which no z overflows. There are few such logits: one a label and example.
  sum[0] += sum_over_rows(logits.rows, logits.columns * 32, [&](std::int64_t row) {
    double row_loss = 0.0;
    for (std::int64_t column = 0; column < logits.columns; ++column) {
      const double z = logits.row(row)[column];
      const double target = targets[row * logits.columns + column];
      const double e = std::exp(-std::abs(z));
      row_loss += std::log1p(e) + std::max(z, 0.0) - z * target;
      if (d_logits.data != nullptr) {
        d_logits.row(row)[column] = static_cast<float>((z < 0 ? e : 1.0) / (1.0 + e) - target);
      }
    }
    return row_loss;
  });
  sum[1] += static_cast<double>(logits.rows * logits.columns);
}

void CpuKernels::mean_squared_error(ConstRows prediction_rows, const float* targets, Rows d_prediction_rows,
                                    double* sum) {
  const ConstMatrix predictions = f32(prediction_rows);
  const Matrix d_predictions = f32(d_prediction_rows);
  sum[0] += sum_over_rows(predictions.rows, predictions.columns, [&](std::int64_t row) {
    double row_loss = 0.0;
    for (std::int64_t column = 0; column < predictions.columns; ++column) {
      const double difference = static_cast<double>(predictions.row(row)[column]) -
                                static_cast<double>(targets[row * predictions.columns + column]);
      row_loss += difference * difference;
      if (d_predictions.data != nullptr) {
        d_predictions.row(row)[column] = static_cast<float>(2.0 * difference);
      }
    }
    return row_loss;
  });
  sum[1] += static_cast<double>(predictions.rows * predictions.columns);
}

}  // namespace temper
#endif  // HWY_ONCE
