// Cross entropy over blocks of logits: a block of threads for each row, and one that adds the losses of all in double,
// in an order that depends on their number alone.
#include <cstdint>

#include "tensor/kernels/cuda/block_sum.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

constexpr std::int32_t kNoLabel = -100;
constexpr float kLowestLogit = -3.402823466e38F;  // -infinity, were it not that infinity minus infinity is nothing
constexpr double kNoLoss = __builtin_nan("");

struct Smallest {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};

/// The largest logit, then the first class that has it and the sum of exponentials.
__global__ void __launch_bounds__(kThreads)
    logit_statistics_of_row(Matrix logits, const float* bias, LogitShape shape, std::int64_t first_class,
                            const std::int32_t* labels, LogitRow* statistics) {
  const std::int64_t row = blockIdx.x;
  float* const x = row_of(logits, row);
  const std::int64_t n = logits.columns;
  const bool changes = bias != nullptr || shape.scale != 1.0F || shape.soft_cap > 0.0F;
  float largest = kLowestLogit;
  double total = 0.0;
  for (std::int64_t i = threadIdx.x; i < n; i += kThreads) {
    float value = x[i];
    if (changes) {
      if (bias != nullptr) value += bias[i];
      value *= shape.scale;
      if (shape.soft_cap > 0.0F) value = shape.soft_cap * tanhf(value / shape.soft_cap);
      x[i] = value;
    }
    largest = fmaxf(largest, value);
    total += static_cast<double>(value);
  }
  largest = over_block<kThreads>(Largest{}, largest);
  total = over_block<kThreads>(Sum{}, total);
  float sum = 0.0F;
  auto best = static_cast<int>(n);
  for (std::int64_t i = threadIdx.x; i < n; i += kThreads) {
    sum += __expf(x[i] - largest);
    if (x[i] == largest && static_cast<int>(i) < best) best = static_cast<int>(i);
  }
  sum = over_block<kThreads>(Sum{}, sum);
  best = over_block<kThreads>(Smallest{}, best);
  if (threadIdx.x != 0) return;
  LogitRow known = statistics[row];
  if (first_class == 0) known = {0.0, 0.0, kLowestLogit, 0.0F, 0, 0};
  known.total += total;
  const std::int64_t place = labels[row] - first_class;
  if (labels[row] >= 0 && place >= 0 && place < n) known.label = x[place];
  if (first_class == 0 || largest > known.largest) {
    const double before =
        first_class == 0 ? 0.0 : known.sum * exp(static_cast<double>(known.largest) - static_cast<double>(largest));
    known.sum = before + static_cast<double>(sum);
    known.largest = largest;
    known.best = best < n ? static_cast<std::int32_t>(first_class + best) : known.best;
  } else {
    known.sum += static_cast<double>(sum) * exp(static_cast<double>(largest) - static_cast<double>(known.largest));
  }
  statistics[row] = known;
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    logit_gradient_of_row(Matrix logits, LogitShape shape, std::int64_t first_class, std::int64_t classes,
                          const std::int32_t* labels, const LogitRow* statistics, CrossEntropyTerms terms,
                          MatrixOf<T> gradient) {
  const std::int64_t row = blockIdx.x;
  const float* const x = row_of(logits, row);
  T* const to = row_of(gradient, row);
  const std::int64_t n = logits.columns;
  const std::int32_t label = labels[row];
  const LogitRow known = statistics[row];
  const double smoothing = terms.label_smoothing;
  double mass = 1.0;
  if (terms.z_loss != 0.0F)
    mass += 2.0 * static_cast<double>(terms.z_loss) * (static_cast<double>(known.largest) + log(known.sum));
  const double weight = terms.row_weights == nullptr ? 1.0 : static_cast<double>(terms.row_weights[row]);
  const auto factor = static_cast<float>(weight * (mass / known.sum));
  const auto share = static_cast<float>(weight * (smoothing / static_cast<double>(classes)));
  const auto hit = static_cast<float>(weight * (1.0 - smoothing));
  for (std::int64_t i = threadIdx.x; i < n; i += kThreads) {
    float g = 0.0F;
    if (label != kNoLabel) {
      const float y = x[i];
      g = fmaf(__expf(y - known.largest), factor, -share);
      if (first_class + i == label) g -= hit;
      g *= shape.scale;
      if (shape.soft_cap > 0.0F) {
        const float bend = y / shape.soft_cap;
        g *= 1.0F - bend * bend;
      }
    }
    write(g, to + i);
  }
}

/// One block.
constexpr int kLossThreads = 1024;
__global__ void __launch_bounds__(kLossThreads) add_logit_losses(calls::LogitLoss call) {
  const double smoothing = call.terms.label_smoothing;
  const double share = smoothing / static_cast<double>(call.classes);
  double loss_sum = 0.0;
  double weight_sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < call.rows; i += kLossThreads) {
    const std::int32_t label = call.labels[i];
    const LogitRow& row = call.statistics[i];
    double loss = 0.0;
    if (label != kNoLabel) {
      const double largest = row.largest;
      const double log_sum = log(row.sum);
      const double log_z = largest + log_sum;
      const double above_mean = share == 0.0 ? 0.0 : share * (row.total - static_cast<double>(call.classes) * largest);
      loss = log_sum - (1.0 - smoothing) * (static_cast<double>(row.label) - largest) - above_mean;
      if (call.terms.z_loss != 0.0F) loss += static_cast<double>(call.terms.z_loss) * log_z * log_z;
      if (label < 0 || label >= call.classes) loss = kNoLoss;
      const double weight = call.terms.row_weights == nullptr ? 1.0 : static_cast<double>(call.terms.row_weights[i]);
      loss *= weight;
      weight_sum += weight;
    }
    loss_sum += loss;
    if (call.losses != nullptr) call.losses[i] = loss;
    if (call.predicted != nullptr) call.predicted[i] = row.best;
  }
  loss_sum = over_block<kLossThreads>(Sum{}, loss_sum);
  weight_sum = over_block<kLossThreads>(Sum{}, weight_sum);
  if (threadIdx.x == 0) {
    call.sum[0] += loss_sum;
    call.sum[1] += weight_sum;
  }
}

}  // namespace

void CudaKernels::run(const calls::LogitStatistics& call) {
  launch(logit_statistics_of_row, dim3(static_cast<unsigned>(call.logits.rows)), kThreads, 0, stream_, call.logits,
         call.bias, call.shape, call.first_class, call.labels, call.statistics);
}

void CudaKernels::run(const calls::LogitLoss& call) {
  launch(add_logit_losses, dim3(1), kLossThreads, 0, stream_, call);
}

void CudaKernels::run(const calls::LogitGradient& call) {
  with_type(call.gradient.type, [&]<typename T>(std::type_identity<T>) {
    launch(logit_gradient_of_row<T>, dim3(static_cast<unsigned>(call.logits.rows)), kThreads, 0, stream_, call.logits,
           call.shape, call.first_class, call.classes, call.labels, call.statistics, call.terms, call.gradient.as<T>());
  });
}

}  // namespace temper
