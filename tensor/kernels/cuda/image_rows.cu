// Patches of images, and rows of an image mixed with each other. A thread has eight columns of a row, or one.
#include <cstdint>

#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/dropout_mask.cuh"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

/// A thread for each element of y.
template <typename T>
__global__ void __launch_bounds__(kThreads) gather_patches_kernel(MatrixOf<const float> x, int height, int width,
                                                                  int patch_height, int patch_width, MatrixOf<T> y) {
  const std::int64_t place = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (place >= y.rows * y.columns) return;
  const std::int64_t row = place / y.columns;
  const auto element = static_cast<int>(place % y.columns);
  const int down = height / patch_height;
  const int across = width / patch_width;
  const int channel = element / (patch_height * patch_width);
  const std::int64_t image = row / (down * across);
  const auto line = static_cast<int>(row / across % down) * patch_height + element / patch_width % patch_height;
  const auto column = static_cast<int>(row % across) * patch_width + element % patch_width;
  write(x.data[((image * height + line) * width + column) * x.stride + channel], y.data + row * y.stride + element);
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    mix_rows_kernel(MatrixOf<const T> x, RowMixture mixture, const float* added, MatrixOf<T> y, bool accumulate) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  const std::int64_t row = place.row % mixture.rows_out;
  const std::int64_t first_source = place.row / mixture.rows_out * mixture.rows_in;
  float sums[kWidth] = {};
  for (std::int32_t entry = mixture.starts[row]; entry < mixture.starts[row + 1]; ++entry) {
    float values[kWidth];
    load(row_of(x, first_source + mixture.sources[entry]) + place.column, place.count, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += values[i] * mixture.weights[entry];
  }
  float others[kWidth];
  if (added != nullptr) {
    load(added + row * y.columns + place.column, place.count, others);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += others[i];
  }
  T* to = row_of(y, place.row) + place.column;
  if (accumulate) {
    load(to, place.count, others);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += others[i];
  }
  store(sums, place.count, to);
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    sum_images_kernel(MatrixOf<const T> x, std::int64_t images, MatrixOf<float> sum, bool accumulate) {
  const Place place = place_in<kWidth>(sum.rows, sum.columns);
  if (place.count == 0) return;
  float sums[kWidth] = {};
  float values[kWidth];
  for (std::int64_t image = 0; image < images; ++image) {
    load(row_of(x, image * sum.rows + place.row) + place.column, place.count, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += values[i];
  }
  float* to = row_of(sum, place.row) + place.column;
  if (accumulate) {
    load(to, place.count, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += values[i];
  }
  store(sums, place.count, to);
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    drop_images_kernel(MatrixOf<const T> x, std::int64_t rows_each, const std::uint32_t* examples, DropoutMask mask,
                       MatrixOf<T> y, bool accumulate) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  const PhiloxCounter words = row_words(mask, examples[place.row / rows_each], 0, 0);
  const float factor = dropout_factor(mask, half_word(words, 0));
  float values[kWidth];
  float before[kWidth] = {};
  T* to = row_of(y, place.row) + place.column;
  load(row_of(x, place.row) + place.column, place.count, values);
  if (accumulate) load(to, place.count, before);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = fmaf(values[i], factor, before[i]);
  store(values, place.count, to);
}

}  // namespace

void CudaKernels::run(const calls::GatherPatches& call) {
  if (call.x.type != DType::f32) refuse("pixels on a GPU are f32");
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    launch(gather_patches_kernel<T>, dim3(parts(call.y.rows * call.y.columns, kThreads)), kThreads, 0, stream_,
           call.x.as<float>(), static_cast<int>(call.height), static_cast<int>(call.width),
           static_cast<int>(call.patch_height), static_cast<int>(call.patch_width), call.y.as<T>());
  });
}

void CudaKernels::run(const calls::MixRows& call) {
  const bool added_in_packs = call.added == nullptr || (begins_pack(call.added) && call.y.columns % kPack == 0);
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(added_in_packs && rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(mix_rows_kernel<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0,
                        stream_, call.x.as<T>(), call.mixture, call.added, call.y.as<T>(), call.accumulate);
               });
  });
}

void CudaKernels::run(const calls::SumImages& call) {
  if (call.images == 0) return;
  const std::int64_t columns = call.x.columns;
  const MatrixOf<float> sum{call.sum, call.x.rows / call.images, columns, columns};
  with_type(call.x.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(Rows(sum)),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(sum_images_kernel<T, kWidth>, grid_over<kWidth>(sum.rows, columns), kThreads, 0, stream_,
                        call.x.as<T>(), call.images, sum, call.accumulate);
               });
  });
}

void CudaKernels::run(const calls::DropImages& call) {
  if (call.images == 0) return;
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(drop_images_kernel<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0,
                        stream_, call.x.as<T>(), call.x.rows / call.images, call.examples, mask_of(call.dropout),
                        call.y.as<T>(), call.accumulate);
               });
  });
}

}  // namespace temper
