// The emulator's cuBLASLt against naive loops.
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/simt/device_array.h"
#include "tests/simt/simulated_gpu.h"

namespace simt {
namespace {

/// Elements of f32 or bf16 on the device.
class Array {
 public:
  Array(cudaDataType type, const std::vector<float>& values) : type_(type) {
    if (type == CUDA_R_16BF)
      halves_ = std::make_unique<DeviceArray<__nv_bfloat16>>(std::vector<__nv_bfloat16>(values.begin(), values.end()));
    else
      floats_ = std::make_unique<DeviceArray<float>>(values);
  }
  [[nodiscard]] void* data() const {
    return halves_ ? static_cast<void*>(halves_->data()) : static_cast<void*>(floats_->data());
  }
  [[nodiscard]] std::vector<float> values() const {
    if (floats_) return floats_->values();
    const std::vector<__nv_bfloat16> values = halves_->values();
    return {values.begin(), values.end()};
  }
  [[nodiscard]] cudaDataType type() const { return type_; }

 private:
  cudaDataType type_;
  std::unique_ptr<DeviceArray<float>> floats_;
  std::unique_ptr<DeviceArray<__nv_bfloat16>> halves_;
};

struct Destroy {
  void operator()(cublasLtMatmulDesc_t d) const { cublasLtMatmulDescDestroy(d); }
  void operator()(cublasLtMatrixLayout_t l) const { cublasLtMatrixLayoutDestroy(l); }
  void operator()(cublasLtMatmulPreference_t p) const { cublasLtMatmulPreferenceDestroy(p); }
};
template <typename Handle>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>;

Owner<cublasLtMatrixLayout_t> layout(cudaDataType type, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  cublasLtMatrixLayout_t made = nullptr;
  EXPECT_EQ(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(rows),
                                       static_cast<std::uint64_t>(columns), stride),
            CUBLAS_STATUS_SUCCESS);
  return Owner<cublasLtMatrixLayout_t>(made);
}

/// A product of one size, the same for every test: op(a) [m, k], op(b) [k, n], with strides beyond the rows.
constexpr std::int64_t kM = 11;
constexpr std::int64_t kN = 7;
constexpr std::int64_t kK = 70;
constexpr std::int64_t kAuxStride = 128;

std::vector<float> numbers(std::int64_t count, int seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Exact in bf16.
    values[i] = static_cast<float>((i * 37 + static_cast<std::size_t>(seed) * 11) % 33) / 16 - 1;
  }
  return values;
}

struct Case {
  bool transpose_a = false;
  bool transpose_b = false;
  cudaDataType in = CUDA_R_32F;
  cudaDataType out = CUDA_R_32F;
  int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  float alpha = 0.25F;
  float beta = 0;
};

struct Result {
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  std::vector<float> product;  ///< alpha op(a) op(b) + beta c before the epilogue, from the naive loop
  std::vector<float> d, bias, aux;
  std::vector<float> sum_a, sum_b;  ///< over k
};

class EmulatedCublasLt : public testing::Test {
 protected:
  EmulatedCublasLt() { EXPECT_EQ(cublasLtCreate(&handle_), CUBLAS_STATUS_SUCCESS); }
  ~EmulatedCublasLt() override { cublasLtDestroy(handle_); }

  Result run(const Case& c, std::int64_t aux_stride = kAuxStride) {
    const std::int64_t a_rows = c.transpose_a ? kK : kM;
    const std::int64_t b_rows = c.transpose_b ? kN : kK;
    const std::int64_t a_stride = a_rows + 2;
    const std::int64_t b_stride = b_rows + 3;
    const std::int64_t d_stride = kM + 1;
    const std::vector<float> a = numbers(a_stride * (kM + kK - a_rows), 1);
    const std::vector<float> b = numbers(b_stride * (kN + kK - b_rows), 2);
    const std::vector<float> d = numbers(d_stride * kN, 3);
    const std::vector<float> bias = numbers(kM, 4);
    const Array device_a(c.in, a);
    const Array device_b(c.in, b);
    const Array device_d(c.out, d);
    const Array device_bias(c.out, bias);
    const bool mask = (c.epilogue & 128) != 0 && (c.epilogue & (2 | 8)) != 0;
    const Array device_aux(mask ? CUDA_R_32F : c.out, numbers(kAuxStride * kN, 5));
    const DeviceArray<unsigned char> workspace(8192);

    cublasLtMatmulDesc_t made = nullptr;
    EXPECT_EQ(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F), CUBLAS_STATUS_SUCCESS);
    const Owner<cublasLtMatmulDesc_t> description(made);
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
      EXPECT_EQ(cublasLtMatmulDescSetAttribute(made, attribute, &value, sizeof(value)), CUBLAS_STATUS_SUCCESS);
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, std::int32_t{c.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N});
    set(CUBLASLT_MATMUL_DESC_TRANSB, std::int32_t{c.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N});
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<std::uint32_t>(c.epilogue));
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, device_bias.data());
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, std::int32_t{c.out});
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, device_aux.data());
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, aux_stride);
    const auto layout_a = layout(c.in, a_rows, kM + kK - a_rows, a_stride);
    const auto layout_b = layout(c.in, b_rows, kN + kK - b_rows, b_stride);
    const auto layout_d = layout(c.out, kM, kN, d_stride);
    cublasLtMatmulPreference_t wish = nullptr;
    EXPECT_EQ(cublasLtMatmulPreferenceCreate(&wish), CUBLAS_STATUS_SUCCESS);
    const Owner<cublasLtMatmulPreference_t> preference(wish);
    const std::size_t most = 8192;
    EXPECT_EQ(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof(most)),
              CUBLAS_STATUS_SUCCESS);

    Result result;
    cublasLtMatmulHeuristicResult_t choice;
    int choices = 0;
    result.status = cublasLtMatmulAlgoGetHeuristic(handle_, made, layout_a.get(), layout_b.get(), layout_d.get(),
                                                   layout_d.get(), wish, 1, &choice, &choices);
    if (result.status != CUBLAS_STATUS_SUCCESS) return result;
    result.status = cublasLtMatmul(handle_, made, &c.alpha, device_a.data(), layout_a.get(), device_b.data(),
                                   layout_b.get(), &c.beta, device_d.data(), layout_d.get(), device_d.data(),
                                   layout_d.get(), &choice.algo, workspace.data(), choice.workspaceSize, nullptr);
    result.d = device_d.values();
    result.bias = device_bias.values();
    result.aux = device_aux.values();

    const auto element_a = [&](std::int64_t i, std::int64_t p) {
      return a[static_cast<std::size_t>(c.transpose_a ? p + i * a_stride : i + p * a_stride)];
    };
    const auto element_b = [&](std::int64_t p, std::int64_t j) {
      return b[static_cast<std::size_t>(c.transpose_b ? j + p * b_stride : p + j * b_stride)];
    };
    result.product = d;
    result.sum_a.resize(kM);
    result.sum_b.resize(kN);
    for (std::int64_t j = 0; j < kN; ++j)
      for (std::int64_t i = 0; i < kM; ++i) {
        double sum = 0;
        for (std::int64_t p = 0; p < kK; ++p) sum += double{element_a(i, p)} * element_b(p, j);
        float& value = result.product[static_cast<std::size_t>(i + j * d_stride)];
        value = static_cast<float>(c.alpha * sum + c.beta * value);
      }
    for (std::int64_t p = 0; p < kK; ++p) {
      for (std::int64_t i = 0; i < kM; ++i) result.sum_a[static_cast<std::size_t>(i)] += element_a(i, p);
      for (std::int64_t j = 0; j < kN; ++j) result.sum_b[static_cast<std::size_t>(j)] += element_b(p, j);
    }
    return result;
  }

  /// d is `expected(product, row, column)`; what lies between the columns is untouched.
  template <typename Expected>
  void expect(const Case& c, const Result& result, Expected&& expected) {
    ASSERT_EQ(result.status, CUBLAS_STATUS_SUCCESS);
    const float tolerance = c.out == CUDA_R_16BF ? 1.0F / 128 : 1e-5F;
    for (std::size_t i = 0; i < result.d.size(); ++i) {
      const std::size_t row = i % (kM + 1);
      const std::size_t column = i / (kM + 1);
      const float wanted = row == kM ? result.product[i] : expected(result.product[i], row, column);
      EXPECT_NEAR(result.d[i], wanted, tolerance * (1 + std::abs(wanted))) << row << ' ' << column;
    }
  }

  cublasLtHandle_t handle_ = nullptr;
};

float gelu(float x) { return 0.5F * x * (1 + std::tanh(std::sqrt(2 / 3.14159265F) * (x + 0.044715F * x * x * x))); }

constexpr std::pair<cudaDataType, cudaDataType> kTypes[] = {
    {CUDA_R_32F, CUDA_R_32F}, {CUDA_R_16BF, CUDA_R_16BF}, {CUDA_R_16BF, CUDA_R_32F}};

TEST_F(EmulatedCublasLt, MultipliesInEveryTransposeAndType) {
  for (const auto& [in, out] : kTypes)
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true})
        for (const float beta : {0.0F, 1.0F, -0.5F}) {
          const Case c{transpose_a, transpose_b, in, out, CUBLASLT_EPILOGUE_DEFAULT, 0.25F, beta};
          expect(c, run(c), [](float x, std::size_t, std::size_t) { return x; });
        }
}

TEST_F(EmulatedCublasLt, AddsABiasAndActivates) {
  for (const auto& [in, out] : kTypes) {
    const std::vector<float> bias = numbers(kM, 4);
    const auto with = [&, in = in, out = out](int epilogue, auto activation) {
      const Case c{true, false, in, out, epilogue};
      Result result = run(c);
      expect(c, result, [&](float x, std::size_t row, std::size_t) { return activation(x + bias[row]); });
      return result;
    };
    with(CUBLASLT_EPILOGUE_BIAS, [](float x) { return x; });
    with(CUBLASLT_EPILOGUE_RELU_BIAS, [](float x) { return std::fmax(x, 0.0F); });
    with(CUBLASLT_EPILOGUE_GELU_BIAS, gelu);
    const Result kept = with(CUBLASLT_EPILOGUE_GELU_AUX_BIAS, gelu);
    for (std::size_t j = 0; j < kN; ++j)
      for (std::size_t i = 0; i < kM; ++i) {
        const float wanted = kept.product[i + j * (kM + 1)] + bias[i];
        EXPECT_NEAR(kept.aux[i + j * kAuxStride], wanted, 0.01F * (1 + std::abs(wanted)));
      }
    const Case c{false, true, in, out, CUBLASLT_EPILOGUE_GELU};
    expect(c, run(c), [](float x, std::size_t, std::size_t) { return gelu(x); });
  }
}

TEST_F(EmulatedCublasLt, MultipliesByTheSlopeOfGeluAndSumsTheBiasGradient) {
  const std::vector<float> aux = numbers(kAuxStride * kN, 5);
  const auto slope = [](float x) { return (gelu(x + 1e-3F) - gelu(x - 1e-3F)) / 2e-3F; };
  for (const auto& [in, out] : kTypes)
    for (const int epilogue : {CUBLASLT_EPILOGUE_DGELU, CUBLASLT_EPILOGUE_DGELU_BGRAD}) {
      const Case c{false, false, in, out, epilogue};
      const Result result = run(c);
      ASSERT_EQ(result.status, CUBLAS_STATUS_SUCCESS);
      std::vector<float> sums(kM);
      for (std::size_t j = 0; j < kN; ++j)
        for (std::size_t i = 0; i < kM; ++i) {
          const float wanted = result.product[i + j * (kM + 1)] * slope(aux[i + j * kAuxStride]);
          sums[i] += wanted;
          EXPECT_NEAR(result.d[i + j * (kM + 1)], wanted, 0.01F * (1 + std::abs(wanted)));
        }
      if (epilogue == CUBLASLT_EPILOGUE_DGELU) continue;
      for (std::size_t i = 0; i < kM; ++i) EXPECT_NEAR(result.bias[i], sums[i], 0.02F * (1 + std::abs(sums[i])));
    }
}

TEST_F(EmulatedCublasLt, MasksByTheSignOfRelu) {
  const std::vector<float> bias = numbers(kM, 4);
  const Case forward{false, false, CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_RELU_AUX_BIAS};
  const Result kept = run(forward);
  ASSERT_EQ(kept.status, CUBLAS_STATUS_SUCCESS);
  const auto* const mask = reinterpret_cast<const unsigned char*>(kept.aux.data());
  for (std::size_t j = 0; j < kN; ++j)
    for (std::size_t i = 0; i < kM; ++i) {
      const std::size_t bit = i + j * kAuxStride;
      EXPECT_EQ((mask[bit / 8] >> (bit % 8) & 1) != 0, kept.product[i + j * (kM + 1)] + bias[i] > 0);
    }
  const Case backward{false, false, CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_DRELU_BGRAD};
  const std::vector<float> aux = numbers(kAuxStride * kN, 5);
  const auto* const given = reinterpret_cast<const unsigned char*>(aux.data());
  expect(backward, run(backward), [&](float x, std::size_t i, std::size_t j) {
    const std::size_t bit = i + j * kAuxStride;
    return (given[bit / 8] >> (bit % 8) & 1) != 0 ? x : 0.0F;
  });
}

TEST_F(EmulatedCublasLt, SumsAFactorOverTheInnerDimension) {
  for (const auto& [in, out] : kTypes)
    for (const bool transposed : {false, true}) {
      Case c{transposed, !transposed, in, out, CUBLASLT_EPILOGUE_BGRADA};
      const Result of_a = run(c);
      expect(c, of_a, [](float x, std::size_t, std::size_t) { return x; });
      for (std::size_t i = 0; i < kM; ++i)
        EXPECT_NEAR(of_a.bias[i], of_a.sum_a[i], (out == CUDA_R_16BF ? 0.01F : 1e-5F) * (1 + std::abs(of_a.sum_a[i])));
      c.epilogue = CUBLASLT_EPILOGUE_BGRADB;
      const Result of_b = run(c);
      for (std::size_t j = 0; j < kN; ++j)
        EXPECT_NEAR(of_b.bias[j], of_b.sum_b[j], (out == CUDA_R_16BF ? 0.01F : 1e-5F) * (1 + std::abs(of_b.sum_b[j])));
    }
}

TEST_F(EmulatedCublasLt, RefusesWhatTheLibraryDoes) {
  EXPECT_EQ(run({.epilogue = CUBLASLT_EPILOGUE_GELU_AUX_BIAS}, 13).status, CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(run({.epilogue = CUBLASLT_EPILOGUE_GELU_AUX_BIAS}, 8).status, CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(run({.in = CUDA_R_32F, .out = CUDA_R_16BF}).status, CUBLAS_STATUS_NOT_SUPPORTED);
  set_fused_epilogues(false);
  EXPECT_EQ(run({.epilogue = CUBLASLT_EPILOGUE_BIAS}).status, CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(run({}).status, CUBLAS_STATUS_SUCCESS);
  set_fused_epilogues(true);
}

}  // namespace
}  // namespace simt
