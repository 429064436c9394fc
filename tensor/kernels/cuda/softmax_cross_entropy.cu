// Losses with their gradients. Every row's or block's loss is stored, and one block adds them up in double, in an order
// that depends on their number alone.
#include <cstdint>

#include "tensor/kernels/cuda/block_sum.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/scratch.h"

namespace temper {
namespace {

constexpr std::int32_t kNotCounted = -100;
constexpr float kLowest = -3.402823466e38F;  // -infinity, were it not that infinity minus infinity is nothing
constexpr double kNotANumber = __builtin_nan("");

struct SoftmaxLoss {
  const std::int32_t* labels;
  const float* class_weights;  ///< [classes], or null
  const float* row_weights;    ///< [rows], or null
  double smoothing;
  double z_loss;
  double* losses;   ///< [rows]
  double* weights;  ///< [rows]: what each loss is to be divided by
};

/// One block per row: the largest logit and the sum of exponentials in one pass (Milakov, Gimelshein: "Online
/// normalizer calculation for softmax", 2018), the gradient in another. With z the logits, s the share that smoothing
/// gives a class, w the class weights and W their sum:
///   loss = -hit log p[label] - sum over c of s w[c] log p[c] + z_loss w[label] (ln Z)^2,   hit = (1 - smoothing)
///   w[label] gradient[c] = (hit + s W + 2 z_loss w[label] ln Z) p[c] - s w[c] - (c is the label) hit,   Z = sum of e^z
/// and all of it times the row's weight.
template <typename T, int kCount, int kWidth>
__global__ void __launch_bounds__(kCount)
    cross_entropy_of_row(MatrixOf<const T> logits, SoftmaxLoss loss, MatrixOf<T> d_logits) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t classes = logits.columns;
  const T* from = row_of(logits, row);
  T* to = d_logits.data == nullptr ? nullptr : row_of(d_logits, row);
  const std::int32_t label = loss.labels[row];
  const std::int64_t first = static_cast<std::int64_t>(threadIdx.x) * kWidth;
  constexpr std::int64_t kStep = static_cast<std::int64_t>(kCount) * kWidth;
  const auto count_at = [&](std::int64_t column) {
    return classes - column < kWidth ? static_cast<int>(classes - column) : kWidth;
  };

  if (label < 0 || label >= classes) {
    if (threadIdx.x == 0) {
      loss.losses[row] = label == kNotCounted ? 0.0 : kNotANumber;
      loss.weights[row] = 0.0;
    }
    const float zeros[kWidth] = {};
    for (std::int64_t column = first; column < classes && to != nullptr; column += kStep) {
      store(zeros, count_at(column), to + column);
    }
    return;
  }

  const double row_weight = loss.row_weights == nullptr ? 1.0 : static_cast<double>(loss.row_weights[row]);
  const double weight =
      row_weight * (loss.class_weights == nullptr ? 1.0 : static_cast<double>(loss.class_weights[label]));
  const double hit = (1.0 - loss.smoothing) * weight;
  const double share = row_weight * (loss.smoothing / static_cast<double>(classes));
  const float label_logit = read(from + label);
  float largest = kLowest;
  float sum = 0.0F;
  double weighted_logits = 0.0;
  double total_weight = 0.0;
  for (std::int64_t column = first; column < classes; column += kStep) {
    const int count = count_at(column);
    float values[kWidth];
    load(from + column, count, values);
    float largest_here = largest;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (i < count) largest_here = fmaxf(largest_here, values[i]);
    }
    sum *= __expf(largest - largest_here);
    largest = largest_here;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (i < count) sum += __expf(values[i] - largest);
    }
    if (share != 0.0) {
      float weights[kWidth];
#pragma unroll
      for (int i = 0; i < kWidth; ++i) weights[i] = 1.0F;
      if (loss.class_weights != nullptr) load(loss.class_weights + column, count, weights);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        if (i < count) {
          weighted_logits += static_cast<double>(weights[i]) * static_cast<double>(values[i]);
          total_weight += static_cast<double>(weights[i]);
        }
      }
    }
  }
  __syncthreads();  // d_logits may be logits: nobody writes before all have read label_logit
  const float row_largest = over_block<kCount>(Largest{}, largest);
  const float row_sum = over_block<kCount>(Sum{}, sum * __expf(largest - row_largest));
  double mass = hit;
  if (share != 0.0) {
    weighted_logits = over_block<kCount>(Sum{}, weighted_logits);
    total_weight = over_block<kCount>(Sum{}, total_weight);
    mass += share * total_weight;
  }
  const double log_z = loss.z_loss == 0.0 ? 0.0 : static_cast<double>(row_largest) + log(static_cast<double>(row_sum));
  if (threadIdx.x == 0) {
    const auto shift = static_cast<double>(row_largest);
    loss.losses[row] = mass * log(static_cast<double>(row_sum)) - hit * (static_cast<double>(label_logit) - shift) -
                       share * (weighted_logits - shift * total_weight) + loss.z_loss * weight * log_z * log_z;
    loss.weights[row] = weight;
  }
  if (to == nullptr) return;

  const auto factor = static_cast<float>((mass + 2.0 * loss.z_loss * weight * log_z) / static_cast<double>(row_sum));
  for (std::int64_t column = first; column < classes; column += kStep) {
    const int count = count_at(column);
    float values[kWidth];
    load(from + column, count, values);
    float constants[kWidth] = {};
    if (share != 0.0) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) constants[i] = 1.0F;
      if (loss.class_weights != nullptr) load(loss.class_weights + column, count, constants);
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      values[i] = fmaf(__expf(values[i] - row_largest), factor, -static_cast<float>(share) * constants[i]);
      if (column + i == label) values[i] -= static_cast<float>(hit);
    }
    store(values, count, to + column);
  }
}

/// log(1 + e^-|z|) + max(z, 0) - z t, which no z overflows.
struct BinaryCrossEntropy {
  static __device__ double loss(float z, float target, float& gradient) {
    const float e = expf(-fabsf(z));
    gradient = (z < 0.0F ? e : 1.0F) / (1.0F + e) - target;
    return static_cast<double>(log1pf(e)) + static_cast<double>(fmaxf(z, 0.0F)) -
           static_cast<double>(z) * static_cast<double>(target);
  }
};

struct SquaredError {
  static __device__ double loss(float prediction, float target, float& gradient) {
    const double difference = static_cast<double>(prediction) - static_cast<double>(target);
    gradient = static_cast<float>(2.0 * difference);
    return difference * difference;
  }
};

/// Elements of a block of loss_of_elements().
constexpr std::int64_t kElements = 4 * kThreads;

/// The losses of kElements elements after one another, row by row, as one sum per block.
template <typename Loss, typename T>
__global__ void __launch_bounds__(kThreads)
    loss_of_elements(MatrixOf<const T> x, const float* targets, MatrixOf<T> d_x, double* losses) {
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kElements;
  const std::int64_t elements = x.rows * x.columns;
  const std::int64_t end = begin + kElements < elements ? begin + kElements : elements;
  double sum = 0.0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const std::int64_t row = i / x.columns;
    const std::int64_t column = i % x.columns;
    float gradient = 0.0F;
    sum += Loss::loss(read(row_of(x, row) + column), targets[i], gradient);
    if (d_x.data != nullptr) write(gradient, row_of(d_x, row) + column);
  }
  sum = over_block<kThreads>(Sum{}, sum);
  if (threadIdx.x == 0) losses[blockIdx.x] = sum;
}

/// sum[0] += all losses; sum[1] += all weights, or `weight` where they are null. One block.
constexpr int kAddingThreads = 1024;
template <bool kHasWeights>
__global__ void __launch_bounds__(kAddingThreads)
    add_losses(const double* losses, const double* weights, std::int64_t count, double weight, double* sum) {
  double loss_sum = 0.0;
  double weight_sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < count; i += kAddingThreads) {
    loss_sum += losses[i];
    if constexpr (kHasWeights) weight_sum += weights[i];
  }
  loss_sum = over_block<kAddingThreads>(Sum{}, loss_sum);
  if constexpr (kHasWeights) weight = over_block<kAddingThreads>(Sum{}, weight_sum);
  if (threadIdx.x == 0) {
    sum[0] += loss_sum;
    sum[1] += weight;
  }
}

template <typename Loss>
void add_loss_of_elements(cudaStream_t stream, Memory& memory, ConstRows x, const float* targets, Rows d_x,
                          double* sum) {
  const std::int64_t elements = x.rows * x.columns;
  const unsigned blocks = parts(elements, kElements);
  const DeviceScratch<double> losses(memory, blocks);
  with_type(x.type, [&]<typename T>(std::type_identity<T>) {
    launch(loss_of_elements<Loss, T>, dim3(blocks), kThreads, 0, stream, x.as<T>(), targets, d_x.as<T>(),
           losses.data());
  });
  launch(add_losses<false>, dim3(1), kAddingThreads, 0, stream, losses.data(), nullptr, blocks,
         static_cast<double>(elements), sum);
}

}  // namespace

void CudaKernels::run(const calls::CrossEntropy& call) {
  // A warp serves a classifier's few classes, a block a vocabulary.
  constexpr int kFew = kWarp;
  constexpr int kMany = kThreads;
  const DeviceScratch<double> losses(memory_, 2 * call.logits.rows);
  const SoftmaxLoss loss{call.labels,
                         call.class_weights,
                         call.row_weights,
                         static_cast<double>(call.label_smoothing),
                         static_cast<double>(call.z_loss),
                         losses.data(),
                         losses.data() + call.logits.rows};
  const bool in_packs =
      rows_begin_packs(call.logits) && rows_begin_packs(call.d_logits) && begins_pack(call.class_weights);
  const dim3 grid(static_cast<unsigned>(call.logits.rows));
  with_type(call.logits.type, [&]<typename T>(std::type_identity<T>) {
    with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      if (call.logits.columns <= kFew * kPack) {
        launch(cross_entropy_of_row<T, kFew, kWidth>, grid, kFew, 0, stream_, call.logits.as<T>(), loss,
               call.d_logits.as<T>());
      } else {
        launch(cross_entropy_of_row<T, kMany, kWidth>, grid, kMany, 0, stream_, call.logits.as<T>(), loss,
               call.d_logits.as<T>());
      }
    });
  });
  launch(add_losses<true>, dim3(1), kAddingThreads, 0, stream_, loss.losses, loss.weights, call.logits.rows, 0.0,
         call.sum);
}

void CudaKernels::run(const calls::BinaryCrossEntropy& call) {
  add_loss_of_elements<BinaryCrossEntropy>(stream_, memory_, call.logits, call.targets, call.d_logits, call.sum);
}

void CudaKernels::run(const calls::MeanSquaredError& call) {
  add_loss_of_elements<SquaredError>(stream_, memory_, call.predictions, call.targets, call.d_predictions, call.sum);
}

}  // namespace temper
