// What the tests of the CUDA kernels share. In CI the device is the emulated one (tests/simt), elsewhere a GPU; what it
// computes is held against the CPU. Both are given the same numbers: those of a test in bf16 are rounded before.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tensor/cuda_device.h"
#include "tensor/device.h"

namespace temper {

/// Both devices, made once a suite.
class GpuTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    gpu_ = make_cuda_device(0);
    cpu_ = make_cpu_device();
  }
  static void TearDownTestSuite() {
    gpu_.reset();
    cpu_.reset();
  }
  static Device& gpu() { return *gpu_; }
  static Kernels& on_gpu() { return gpu_->kernels(); }
  static Kernels& on_cpu() { return cpu_->kernels(); }

 private:
  static inline std::unique_ptr<Device> gpu_;
  static inline std::unique_ptr<Device> cpu_;
};

/// A suite that runs for f32 and for bf16 activations.
class GpuActivationsTest : public GpuTest, public testing::WithParamInterface<DType> {
 protected:
  [[nodiscard]] static DType type() { return GetParam(); }
  /// Of what is stored as an activation: `exact` in f32; in bf16 what one rounding or two make of it.
  [[nodiscard]] static double tolerance(double exact) { return type() == DType::f32 ? exact : 4e-3; }
};

// NOLINTNEXTLINE(bugprone-macro-parentheses): names of a suite
#define TEMPER_FOR_EACH_TYPE(suite)                                              \
  INSTANTIATE_TEST_SUITE_P(Gpu, suite, testing::Values(DType::f32, DType::bf16), \
                           [](const auto& tested_type) { return std::string(name_of(tested_type.param)); })

/// An array that both devices have.
template <typename T>
class TwinArray {
 public:
  TwinArray(Device& gpu, std::vector<T> values)
      : host_(std::move(values)),
        device_(gpu.upload(std::span<const T>(host_), {static_cast<std::int64_t>(host_.size())})) {}

  [[nodiscard]] T* cpu() { return host_.data(); }
  [[nodiscard]] T* gpu() const { return device_.data<T>(); }
  [[nodiscard]] const std::vector<T>& cpu_values() const { return host_; }
  [[nodiscard]] std::vector<T> gpu_values(Device& gpu) const { return gpu.download<T>(device_); }

 private:
  std::vector<T> host_;
  Tensor device_;
};

/// How the rows of a matrix lie. In `gaps` there is something between them that nobody may touch, but each begins on 16
/// bytes; in `askew` they begin anywhere.
enum class Lie : std::uint8_t { packed, gaps, askew };
inline constexpr std::initializer_list<Lie> kLies = {Lie::packed, Lie::gaps, Lie::askew};

/// A matrix that both devices have: in f32 on the CPU, in f32 or bf16 on the GPU, with the same elements.
class TwinMatrix {
 public:
  /// Filled with what stands between the rows.
  TwinMatrix(Device& gpu, DType type, std::int64_t rows, std::int64_t columns, Lie lie = Lie::packed)
      : TwinMatrix(gpu, type, rows, columns, lie, [] { return kUntouched; }) {}

  /// Normally distributed.
  static TwinMatrix random(Device& gpu, DType type, std::int64_t rows, std::int64_t columns, unsigned seed,
                           Lie lie = Lie::packed, float spread = 1.0F) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(0.0F, spread);
    return TwinMatrix(gpu, type, rows, columns, lie, [&] { return normal(generator); });
  }

  [[nodiscard]] Matrix cpu() { return {host_.data() + offset_, rows_, columns_, stride_}; }
  [[nodiscard]] Rows gpu() const {
    auto* data = type_ == DType::f32 ? static_cast<void*>(device_.data<float>() + offset_)
                                     : static_cast<void*>(device_.data<BFloat16>() + offset_);
    return {data, rows_, columns_, stride_, type_};
  }
  /// Of an f32 matrix.
  [[nodiscard]] float* gpu_floats() const { return device_.data<float>() + offset_; }
  float& operator()(std::int64_t row, std::int64_t column) {
    return host_[static_cast<std::size_t>(offset_ + row * stride_ + column)];
  }

  /// The whole block as the GPU has it, with what lies between the rows.
  [[nodiscard]] std::vector<float> gpu_block(Device& gpu) const { return gpu.download_as_f32(device_); }

  /// The CPU's elements as the GPU's type holds them.
  void round() {
    if (type_ == DType::bf16) {
      std::transform(host_.begin(), host_.end(), host_.begin(), [](float x) { return to_float(to_bfloat16(x)); });
    }
  }
  /// Gives the GPU what the CPU has.
  void upload(Device& gpu) {
    round();
    const Shape shape{static_cast<std::int64_t>(host_.size())};
    if (type_ == DType::f32) {
      device_ = gpu.upload(std::span<const float>(host_), shape);
    } else {
      std::vector<BFloat16> stored(host_.size());
      std::transform(host_.begin(), host_.end(), stored.begin(), to_bfloat16);
      device_ = gpu.upload(std::span<const BFloat16>(stored), shape);
    }
  }

  /// Each element of the GPU within `tolerance` of the CPU's, times the largest of those; and nothing else touched.
  void expect_agreement(Device& gpu, double tolerance) const {
    const std::vector<float> actual = gpu_block(gpu);
    double largest = 1e-30;
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t column = 0; column < columns_; ++column) {
        const auto value = static_cast<double>(host_[static_cast<std::size_t>(offset_ + row * stride_ + column)]);
        largest = std::max(largest, std::abs(value));
      }
    }
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const auto place = static_cast<std::int64_t>(i) - offset_;
      if (place < 0 || place / stride_ >= rows_ || place % stride_ >= columns_) {
        ASSERT_EQ(actual[i], kUntouched) << "outside of the matrix, at " << place;
      } else {
        ASSERT_NEAR(static_cast<double>(actual[i]), static_cast<double>(host_[i]), tolerance * largest)
            << "row " << place / stride_ << " of " << rows_ << ", column " << place % stride_ << " of " << columns_;
      }
    }
  }

 private:
  static constexpr float kUntouched = 12288.0F;  // the same in bf16

  template <typename Value>
  TwinMatrix(Device& gpu, DType type, std::int64_t rows, std::int64_t columns, Lie lie, const Value& value)
      : type_(type),
        rows_(rows),
        columns_(columns),
        stride_(lie == Lie::packed ? std::max<std::int64_t>(columns, 1)
                : lie == Lie::gaps ? (columns / 8 + 2) * 8
                                   : columns + 3),
        offset_(lie == Lie::askew ? 1 : 0),
        host_(static_cast<std::size_t>(offset_ + rows * stride_ + 1), kUntouched) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) (*this)(row, column) = value();
    }
    upload(gpu);
  }

  DType type_;
  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t offset_;
  std::vector<float> host_;
  Tensor device_;
};

struct MatrixSize {
  std::int64_t rows;
  std::int64_t columns;
};
inline constexpr std::initializer_list<MatrixSize> kSizes = {{0, 48}, {1, 1}, {5, 7}, {67, 48}, {5, 1000}, {200, 384}};

}  // namespace temper
