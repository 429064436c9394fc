#include "tests/simt/matrix_product.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <vector>

#include "cuda_bf16.h"

namespace simt {
namespace {

float read(const void* data, cudaDataType type, std::int64_t place) {
  return type == CUDA_R_16BF ? float(static_cast<const __nv_bfloat16*>(data)[place])
                             : static_cast<const float*>(data)[place];
}

void write(void* data, cudaDataType type, std::int64_t place, float value) {
  if (type == CUDA_R_16BF)
    static_cast<__nv_bfloat16*>(data)[place] = value;
  else
    static_cast<float*>(data)[place] = value;
}

float as_tf32(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  return std::bit_cast<float>((word + 0xFFFU + ((word >> 13U) & 1U)) & 0xFFFFE000U);
}

/// op(matrix) [rows, columns] by columns, as f32.
std::vector<float> unpacked(const void* data, const Columns& layout, bool transpose, bool tf32) {
  const std::int64_t rows = transpose ? layout.columns : layout.rows;
  std::vector<float> values(static_cast<std::size_t>(layout.rows * layout.columns));
  for (std::int64_t j = 0; j < layout.columns; ++j)
    for (std::int64_t i = 0; i < layout.rows; ++i) {
      const float value = read(data, layout.type, i + j * layout.stride);
      values[static_cast<std::size_t>(transpose ? j + i * rows : i + j * rows)] = tf32 ? as_tf32(value) : value;
    }
  return values;
}

/// The tanh form and its derivative (Hendrycks, Gimpel 2016).
constexpr float kRootTwoOverPi = 0.7978845608F;
constexpr float kCubic = 0.044715F;
float gelu(float x) { return 0.5F * x * (1 + std::tanh(kRootTwoOverPi * (x + kCubic * x * x * x))); }
float gelu_slope(float x) {
  const float t = std::tanh(kRootTwoOverPi * (x + kCubic * x * x * x));
  return 0.5F * (1 + t) + 0.5F * x * (1 - t * t) * kRootTwoOverPi * (1 + 3 * kCubic * x * x);
}

/// Bit i of column j of the mask that the ReLU epilogues keep.
bool mask_bit(const void* mask, std::int64_t place) {
  return (static_cast<const std::uint8_t*>(mask)[place / 8] >> (place % 8) & 1) != 0;
}
void set_mask_bit(void* mask, std::int64_t place, bool value) {
  std::uint8_t& byte = static_cast<std::uint8_t*>(mask)[place / 8];
  const auto bit = static_cast<std::uint8_t>(1U << (place % 8));
  byte = static_cast<std::uint8_t>(value ? byte | bit : byte & ~bit);
}

/// What becomes of one element of the product; reads or writes the auxiliary matrix where the epilogue does.
float finished(const MatrixMultiplication& task, float value, std::int64_t i, std::int64_t j) {
  const std::int64_t aux = i + j * task.aux_stride;
  if ((task.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) value += read(task.bias, task.bias_type, i);
  switch (task.epilogue & ~CUBLASLT_EPILOGUE_BIAS & ~16) {
    case CUBLASLT_EPILOGUE_RELU_AUX:
      set_mask_bit(task.aux, aux, value > 0);
      [[fallthrough]];
    case CUBLASLT_EPILOGUE_RELU:
      return std::max(value, 0.0F);
    case CUBLASLT_EPILOGUE_GELU_AUX:
      write(task.aux, task.aux_type, aux, value);
      [[fallthrough]];
    case CUBLASLT_EPILOGUE_GELU:
      return gelu(value);
    case CUBLASLT_EPILOGUE_DRELU:
      return mask_bit(task.aux, aux) ? value : 0;
    case CUBLASLT_EPILOGUE_DGELU:
      return value * gelu_slope(read(task.aux, task.aux_type, aux));
    default:
      return value;
  }
}

}  // namespace

void multiply(const MatrixMultiplication& task) {
  const std::int64_t m = task.d_layout.rows;
  const std::int64_t n = task.d_layout.columns;
  const std::int64_t k = task.transpose_a ? task.a_layout.rows : task.a_layout.columns;
  const std::vector<float> a = unpacked(task.a, task.a_layout, task.transpose_a, task.tf32);
  const std::vector<float> b = unpacked(task.b, task.b_layout, task.transpose_b, task.tf32);
  std::vector<float> bias_gradient(static_cast<std::size_t>(m));
  std::vector<float> part(static_cast<std::size_t>(m));
  std::vector<float> sum(static_cast<std::size_t>(m));
  for (std::int64_t j = 0; j < n; ++j) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    // In pieces, as the tiles of a device sum.
    constexpr std::int64_t kPiece = 64;
    for (std::int64_t begin = 0; begin < k; begin += kPiece) {
      std::fill(part.begin(), part.end(), 0.0F);
      for (std::int64_t p = begin; p < std::min(k, begin + kPiece); ++p) {
        const float factor = b[static_cast<std::size_t>(p + j * k)];
        const float* const column = a.data() + p * m;
        for (std::int64_t i = 0; i < m; ++i) part[static_cast<std::size_t>(i)] += column[i] * factor;
      }
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    for (std::int64_t i = 0; i < m; ++i) {
      const auto row = static_cast<std::size_t>(i);
      float value = task.alpha * sum[row];
      if (task.beta != 0) value += task.beta * read(task.c, task.c_layout.type, i + j * task.c_layout.stride);
      value = finished(task, value, i, j);
      bias_gradient[row] += value;
      write(task.d, task.d_layout.type, i + j * task.d_layout.stride, value);
    }
  }
  if ((task.epilogue & 16) != 0)
    for (std::int64_t i = 0; i < m; ++i)
      write(task.bias, task.bias_type, i, bias_gradient[static_cast<std::size_t>(i)]);
  if (task.epilogue == CUBLASLT_EPILOGUE_BGRADA)
    for (std::int64_t i = 0; i < m; ++i) {
      float total = 0;
      for (std::int64_t p = 0; p < k; ++p) total += a[static_cast<std::size_t>(i + p * m)];
      write(task.bias, task.bias_type, i, total);
    }
  if (task.epilogue == CUBLASLT_EPILOGUE_BGRADB)
    for (std::int64_t j = 0; j < n; ++j) {
      float total = 0;
      for (std::int64_t p = 0; p < k; ++p) total += b[static_cast<std::size_t>(p + j * k)];
      write(task.bias, task.bias_type, j, total);
    }
}

}  // namespace simt
