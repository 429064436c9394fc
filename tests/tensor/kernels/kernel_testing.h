// What the kernel tests share: every test runs once for each instruction set that the program is compiled for and the
// machine has, on values drawn from fixed seeds, against loops in double.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include "hwy/highway.h"
#include "hwy/targets.h"

namespace temper {

class KernelTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { choose_all_allowed_targets(); }

  CpuKernels kernels_;
};

/// Highway's names of those that the program is compiled for, the machine has, and $TEMPER_MAX_ISA leaves.
inline std::vector<std::int64_t> instruction_sets() {
  limit_instruction_set();
  return hwy::SupportedAndGeneratedTargets();
}

inline std::string instruction_set_name(const testing::TestParamInfo<std::int64_t>& info) {
  return hwy::TargetName(info.param);
}

// NOLINTNEXTLINE(bugprone-macro-parentheses): names of a suite
#define TEMPER_ON_EACH_INSTRUCTION_SET(suite) \
  INSTANTIATE_TEST_SUITE_P(Cpu, suite, testing::ValuesIn(instruction_sets()), instruction_set_name)

/// A matrix with its memory; the elements between the columns and the stride hold `kUntouched`.
class TestMatrix {
 public:
  static constexpr float kUntouched = 12345.0F;

  TestMatrix(std::int64_t rows, std::int64_t columns, std::int64_t stride = 0)
      : rows_(rows),
        columns_(columns),
        stride_(stride == 0 ? columns : stride),
        data_(static_cast<std::size_t>(rows * stride_), kUntouched) {}

  static TestMatrix random(std::int64_t rows, std::int64_t columns, unsigned seed, std::int64_t stride = 0,
                           float spread = 1.0F) {
    TestMatrix result(rows, columns, stride);
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(0.0F, spread);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        result(i, j) = normal(generator);
      }
    }
    return result;
  }

  // NOLINTNEXTLINE(google-explicit-constructor): it stands for the matrix in calls of kernels
  operator Matrix() { return {data_.data(), rows_, columns_, stride_}; }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator ConstMatrix() const { return {data_.data(), rows_, columns_, stride_}; }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator Rows() { return Matrix(*this); }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator ConstRows() const { return ConstMatrix(*this); }

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t columns() const { return columns_; }
  [[nodiscard]] float* data() { return data_.data(); }
  [[nodiscard]] const float* data() const { return data_.data(); }
  float& operator()(std::int64_t i, std::int64_t j) { return data_[static_cast<std::size_t>(i * stride_ + j)]; }
  float operator()(std::int64_t i, std::int64_t j) const { return data_[static_cast<std::size_t>(i * stride_ + j)]; }

  /// The elements without what lies between the rows, in double.
  [[nodiscard]] std::vector<double> values() const {
    std::vector<double> result;
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (std::int64_t j = 0; j < columns_; ++j) {
        result.push_back(static_cast<double>((*this)(i, j)));
      }
    }
    return result;
  }

  [[nodiscard]] bool gaps_untouched() const {
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (std::int64_t j = columns_; j < stride_; ++j) {
        if (data_[static_cast<std::size_t>(i * stride_ + j)] != kUntouched) {
          return false;
        }
      }
    }
    return true;
  }

 private:
  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::vector<float> data_;
};

/// A matrix rounded to bf16: the values that it then has, and the elements themselves.
class RoundedMatrix {
 public:
  explicit RoundedMatrix(TestMatrix values) : values_(std::move(values)) {
    for (std::int64_t i = 0; i < values_.rows(); ++i) {
      for (std::int64_t j = 0; j < values_.columns(); ++j) {
        elements_.push_back(to_bfloat16(values_(i, j)));
        values_(i, j) = to_float(elements_.back());
      }
    }
  }
  [[nodiscard]] const TestMatrix& values() const { return values_; }
  [[nodiscard]] MatrixOf<BFloat16> elements() {
    return {elements_.data(), values_.rows(), values_.columns(), values_.columns()};
  }

 private:
  TestMatrix values_;
  std::vector<BFloat16> elements_;
};

/// A row of values, as a bias is handed to a kernel.
inline ConstRows row_of(const std::vector<float>& values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return ConstMatrix{values.data(), 1, n, n};
}

inline std::vector<double> to_double(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// Each element within `tolerance` of the largest expected one.
inline void expect_close(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 1e-30;
  for (const double value : expected) {
    largest = std::max(largest, std::abs(value));
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * largest) << "element " << i;
  }
}

/// The gradient of `function` at `at` by central differences.
inline std::vector<double> numeric_gradient(std::vector<double> at,
                                            const std::function<double(const std::vector<double>&)>& function) {
  constexpr double kStep = 1e-5;
  std::vector<double> gradient;
  for (double& x : at) {
    const double before = x;
    x = before + kStep;
    const double above = function(at);
    x = before - kStep;
    const double below = function(at);
    x = before;
    gradient.push_back((above - below) / (2 * kStep));
  }
  return gradient;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/// What the factor of an element is by the definition in random.h: zero or the scale.
inline double dropout_factor(const Dropout& dropout, std::uint32_t column, std::uint32_t position,
                             std::uint32_t example, std::uint32_t head = 0) {
  const PhiloxCounter words = philox({column / 8, position, example, (dropout.place << 12) + head}, dropout.key);
  const std::uint32_t half_word = (words[column % 8 / 2] >> (16 * (column % 2))) & 0xFFFFU;
  return half_word < dropout.threshold() ? 0.0 : static_cast<double>(dropout.scale());
}

/// c (+)= op(a) op(b), by a loop.
inline std::vector<double> product(const TestMatrix& a, bool transpose_a, const TestMatrix& b, bool transpose_b,
                                   const TestMatrix& c, bool accumulate) {
  const std::int64_t inner = transpose_a ? a.rows() : a.columns();
  std::vector<double> result;
  for (std::int64_t i = 0; i < c.rows(); ++i) {
    for (std::int64_t j = 0; j < c.columns(); ++j) {
      double sum = accumulate ? static_cast<double>(c(i, j)) : 0.0;
      for (std::int64_t p = 0; p < inner; ++p) {
        sum +=
            static_cast<double>(transpose_a ? a(p, i) : a(i, p)) * static_cast<double>(transpose_b ? b(j, p) : b(p, j));
      }
      result.push_back(sum);
    }
  }
  return result;
}

}  // namespace temper
