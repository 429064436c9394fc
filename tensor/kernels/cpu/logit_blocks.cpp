// Cross entropy over blocks of logits. A row is one thread's work, so nothing here depends on the number of threads.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/error.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/logit_blocks.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

struct LogitsOfBlock {
  float largest;
  float total;
};

/// x = shape(x + bias), and what is found on the way.
template <bool kChanges, bool kCaps>
HWY_INLINE LogitsOfBlock shape_logits(float* x, const float* bias, const LogitShape& shape, std::int64_t n) {
  const Floats d;
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  const auto factor = hn::Set(d, kCaps ? shape.scale / shape.soft_cap : shape.scale);
  const auto cap = hn::Set(d, shape.soft_cap);
  auto largest = lowest;
  auto total = hn::Zero(d);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    auto v = access.load(d, x + i);
    if constexpr (kChanges) {
      if (bias != nullptr) v = hn::Add(v, access.load(d, bias + i));
      v = hn::Mul(v, factor);
      if constexpr (kCaps) v = hn::Mul(hn::Tanh(d, v), cap);
      access.store(v, d, x + i);
    }
    largest = hn::Max(largest, access.valid_or(d, v, lowest));
    total = hn::Add(total, access.valid_or_zero(d, v));
  };
  for_each_vector(d, n, step);
  return {hn::GetLane(hn::MaxOfLanes(d, largest)), hn::GetLane(hn::SumOfLanes(d, total))};
}

/// x = the gradient by the products, but for the label's part: slope * (factor e^(x - largest) - share).
template <bool kCaps>
HWY_INLINE void turn_into_gradient(float* x, const LogitShape& shape, float largest, float factor, float share,
                                   std::int64_t n) {
  const Floats d;
  const auto shifts = hn::Set(d, largest);
  const auto factors = hn::Set(d, factor);
  const auto shares = hn::Set(d, share);
  const auto scale = hn::Set(d, shape.scale);
  const auto inverse_cap = hn::Set(d, kCaps ? 1.0F / shape.soft_cap : 0.0F);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto y = access.load(d, x + i);
    auto g = hn::MulSub(exponential(d, hn::Sub(y, shifts)), factors, shares);
    g = hn::Mul(g, scale);
    if constexpr (kCaps) {
      const auto bend = hn::Mul(y, inverse_cap);
      g = hn::Mul(g, hn::NegMulAdd(bend, bend, hn::Set(d, 1.0F)));
    }
    access.store(g, d, x + i);
  };
  for_each_vector(d, n, step);
}

HWY_INLINE void round_logit_gradient(const float* x, BFloat16* y, std::int64_t n) {
  const Floats d;
  const auto step = [&](auto access, std::int64_t i)
                        TEMPER_VECTOR_LAMBDA { access.store(access.load(d, x + i), d, y + i); };
  for_each_vector(d, n, step);
}

}  // namespace

/// Goes on with a row's statistics. `label` is its place in the block, or negative.
void logit_statistics_of_row(float* x, const float* bias, const LogitShape& shape, std::int64_t n, std::int64_t label,
                             std::int64_t first_class, LogitRow& row) {
  LogitsOfBlock block;
  if (shape.soft_cap > 0.0F) {
    block = shape_logits<true, true>(x, bias, shape, n);
  } else if (bias != nullptr || shape.scale != 1.0F) {
    block = shape_logits<true, false>(x, bias, shape, n);
  } else {
    block = shape_logits<false, false>(x, bias, shape, n);
  }
  const double sum = sum_of_exponentials(x, block.largest, n);
  if (first_class == 0) row = {0.0, 0.0, -std::numeric_limits<float>::infinity(), 0.0F, 0, 0};
  row.total += static_cast<double>(block.total);
  if (label >= 0) row.label = x[label];
  if (block.largest > row.largest) {
    const double before = first_class == 0 ? 0.0 : row.sum * std::exp(static_cast<double>(row.largest) - block.largest);
    row.sum = before + sum;
    row.largest = block.largest;
    row.best = static_cast<std::int32_t>(first_class + (std::find(x, x + n, block.largest) - x));
  } else {
    row.sum += sum * std::exp(static_cast<double>(block.largest) - row.largest);
  }
}

/// `hit`: what the label's gradient lacks. `rounded` may be null.
void logit_gradient_of_row(float* x, const LogitShape& shape, std::int64_t n, float largest, float factor, float share,
                           std::int64_t label, float hit, BFloat16* rounded) {
  float slope = shape.scale;
  if (label >= 0 && shape.soft_cap > 0.0F) {
    const float bend = x[label] / shape.soft_cap;
    slope *= 1.0F - bend * bend;
  }
  if (shape.soft_cap > 0.0F) {
    turn_into_gradient<true>(x, shape, largest, factor, share, n);
  } else {
    turn_into_gradient<false>(x, shape, largest, factor, share, n);
  }
  if (label >= 0) x[label] -= hit * slope;
  if (rounded != nullptr) round_logit_gradient(x, rounded, n);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(logit_statistics_of_row);
HWY_EXPORT(logit_gradient_of_row);

namespace {

constexpr std::int32_t kNoLabel = -100;
/// Of an element, in elements that are read once.
constexpr std::int64_t kWorkOfLogit = 6;

/// Where in a block the label is, or negative.
std::int64_t place_in_block(std::int32_t label, std::int64_t first_class, std::int64_t columns) {
  const std::int64_t place = label - first_class;
  return label >= 0 && place >= 0 && place < columns ? place : -1;
}

double log_of_exponentials(const LogitRow& row) { return static_cast<double>(row.largest) + std::log(row.sum); }

}  // namespace

void CpuKernels::run(const calls::LogitStatistics& call) {
  const std::int64_t columns = call.logits.columns;
  parallel_ranges(call.logits.rows, columns * kWorkOfLogit, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      HWY_DYNAMIC_DISPATCH(logit_statistics_of_row)
      (call.logits.row(row), call.bias, call.shape, columns,
       place_in_block(call.labels[row], call.first_class, columns), call.first_class, call.statistics[row]);
    }
  });
}

void CpuKernels::run(const calls::LogitLoss& call) {
  const double smoothing = call.terms.label_smoothing;
  const double z_loss = call.terms.z_loss;
  const double share = smoothing / static_cast<double>(call.classes);
  for (std::int64_t i = 0; i < call.rows; ++i) {
    const std::int32_t label = call.labels[i];
    if (label != kNoLabel && (label < 0 || label >= call.classes))
      throw Error(
          "Row {} has the label {}, but there are {} classes: a label is 0 to {}, or {} for a row that is not counted.",
          i, label, call.classes, call.classes - 1, kNoLabel);
    const LogitRow& row = call.statistics[i];
    double loss = 0.0;
    if (label != kNoLabel) {
      // Differences of large numbers first: what is left is the loss.
      const double largest = row.largest;
      const double log_sum = std::log(row.sum);
      const double log_z = largest + log_sum;
      const double above_mean = share == 0.0 ? 0.0 : share * (row.total - static_cast<double>(call.classes) * largest);
      loss = log_sum - (1.0 - smoothing) * (static_cast<double>(row.label) - largest) - above_mean +
             z_loss * log_z * log_z;
      const double weight = call.terms.row_weights == nullptr ? 1.0 : static_cast<double>(call.terms.row_weights[i]);
      loss *= weight;
      call.sum[0] += loss;
      call.sum[1] += weight;
    }
    if (call.losses != nullptr) call.losses[i] = loss;
    if (call.predicted != nullptr) call.predicted[i] = row.best;
  }
}

void CpuKernels::run(const calls::LogitGradient& call) {
  const std::int64_t columns = call.logits.columns;
  const bool rounds = call.gradient.type == DType::bf16;
  const double smoothing = call.terms.label_smoothing;
  const double share = smoothing / static_cast<double>(call.classes);
  parallel_ranges(call.logits.rows, columns * kWorkOfLogit, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      if (call.labels[row] == kNoLabel) {
        if (rounds) {
          std::fill_n(call.gradient.as<BFloat16>().row(row), columns, BFloat16{});
        } else {
          std::fill_n(call.gradient.as<float>().row(row), columns, 0.0F);
        }
        continue;
      }
      const LogitRow& known = call.statistics[row];
      const double mass = 1.0 + 2.0 * static_cast<double>(call.terms.z_loss) * log_of_exponentials(known);
      const double weight = call.terms.row_weights == nullptr ? 1.0 : static_cast<double>(call.terms.row_weights[row]);
      HWY_DYNAMIC_DISPATCH(logit_gradient_of_row)
      (call.logits.row(row), call.shape, columns, known.largest, static_cast<float>(weight * (mass / known.sum)),
       static_cast<float>(weight * share), place_in_block(call.labels[row], call.first_class, columns),
       static_cast<float>(weight * (1.0 - smoothing)), rounds ? call.gradient.as<BFloat16>().row(row) : nullptr);
      if (!rounds && call.gradient.data != call.logits.data)
        std::copy_n(call.logits.row(row), columns, call.gradient.as<float>().row(row));
    }
  });
}

}  // namespace temper
#endif  // HWY_ONCE
