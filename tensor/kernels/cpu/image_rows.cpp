// Patches of images, and rows of an image mixed with each other: whoever writes a row computes all of it.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <cstdint>

#include "tensor/bfloat16.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"
#include "tensor/random.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/image_rows.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

template <typename T>
void mix_typed(const calls::MixRows& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto x = call.x.as<T>();
  const auto y = call.y.as<T>();
  const RowMixture& mixture = call.mixture;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / mixture.rows_out;
    const std::int64_t place = row % mixture.rows_out;
    const std::int32_t first = mixture.starts[place];
    const std::int32_t last = mixture.starts[place + 1];
    const std::int64_t first_source = image * mixture.rows_in;
    const float* added = call.added == nullptr ? nullptr : call.added + place * y.columns;
    T* to = y.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = hn::Zero(d);
      for (std::int32_t entry = first; entry < last; ++entry) {
        const T* from = x.row(first_source + mixture.sources[entry]);
        v = hn::Add(v, hn::Mul(access.load(d, from + i), hn::Set(d, mixture.weights[entry])));
      }
      if (added != nullptr) {
        v = hn::Add(v, access.load(d, added + i));
      }
      if (call.accumulate) {
        v = hn::Add(access.load(d, to + i), v);
      }
      access.store(v, d, to + i);
    };
    for_each_vector(d, y.columns, step);
  }
}

template <typename T>
void sum_images_typed(const calls::SumImages& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto x = call.x.as<T>();
  const std::int64_t rows = x.rows / call.images;
  for (std::int64_t row = begin; row < end; ++row) {
    float* to = call.sum + row * x.columns;
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = hn::Zero(d);
      for (std::int64_t image = 0; image < call.images; ++image) {
        v = hn::Add(v, access.load(d, x.row(image * rows + row) + i));
      }
      if (call.accumulate) {
        v = hn::Add(access.load(d, to + i), v);
      }
      access.store(v, d, to + i);
    };
    for_each_vector(d, x.columns, step);
  }
}

}  // namespace

void mix_rows(const calls::MixRows& call, std::int64_t begin, std::int64_t end) {
  (call.y.type == DType::bf16 ? mix_typed<BFloat16> : mix_typed<float>)(call, begin, end);
}

void sum_images(const calls::SumImages& call, std::int64_t begin, std::int64_t end) {
  (call.x.type == DType::bf16 ? sum_images_typed<BFloat16> : sum_images_typed<float>)(call, begin, end);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(mix_rows);
HWY_EXPORT(sum_images);

namespace {

void put_pixel(float x, float& to) { to = x; }
void put_pixel(float x, BFloat16& to) { to = to_bfloat16(x); }

template <typename T>
void gather_patches(const calls::GatherPatches& call, std::int64_t begin, std::int64_t end) {
  const auto x = call.x.as<float>();
  const auto y = call.y.as<T>();
  const std::int64_t down = call.height / call.patch_height;
  const std::int64_t across = call.width / call.patch_width;
  const std::int64_t patch = call.patch_height * call.patch_width;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / (down * across);
    const std::int64_t first_line = row / across % down * call.patch_height;
    const std::int64_t first_column = row % across * call.patch_width;
    T* to = y.row(row);
    for (std::int64_t i = 0; i < patch; ++i) {
      const std::int64_t line = first_line + i / call.patch_width;
      const std::int64_t column = first_column + i % call.patch_width;
      const float* from = x.row((image * call.height + line) * call.width + column);
      for (std::int64_t channel = 0; channel < x.columns; ++channel) put_pixel(from[channel], to[channel * patch + i]);
    }
  }
}

}  // namespace

void CpuKernels::run(const calls::GatherPatches& call) {
  if (call.x.type != DType::f32) throw Error("{}: pixels are f32", call.kKernel.name);
  (void)common_type(call.kKernel.name, call.y);
  parallel_ranges(call.y.rows, 2 * call.y.columns, [&](std::int64_t begin, std::int64_t end) {
    (call.y.type == DType::bf16 ? gather_patches<BFloat16> : gather_patches<float>)(call, begin, end);
  });
}

void CpuKernels::run(const calls::MixRows& call) {
  (void)common_type(call.kKernel.name, call.x, call.y);
  const std::int64_t rows = call.images * call.mixture.rows_out;
  if (rows == 0) return;
  const std::int64_t sources = 1 + call.mixture.entries / call.mixture.rows_out;
  parallel_ranges(rows, call.y.columns * sources, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(mix_rows)(call, begin, end);
  });
}

void CpuKernels::run(const calls::SumImages& call) {
  (void)common_type(call.kKernel.name, call.x);
  if (call.images == 0) return;
  parallel_ranges(call.x.rows / call.images, call.x.columns * call.images, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(sum_images)(call, begin, end);
  });
}

void CpuKernels::run(const calls::DropImages& call) {
  if (call.images == 0) return;
  const std::int64_t rows = call.x.rows / call.images;
  for (std::int64_t image = 0; image < call.images; ++image) {
    const PhiloxCounter words = philox({0, 0, call.examples[image], call.dropout.place << 12}, call.dropout.key);
    const bool dropped = (words[0] & 0xFFFFU) < call.dropout.threshold();
    run(calls::ScaleRows{.x = call.x.part(image * rows, rows),
                         .factor = dropped ? 0.0F : call.dropout.scale(),
                         .y = call.y.part(image * rows, rows),
                         .accumulate = call.accumulate});
  }
}

}  // namespace temper
#endif  // HWY_ONCE
