// What cublasLtMatmul computes, once everything about it is decided.
#pragma once

#include <cstdint>

#include "cublasLt.h"

namespace simt {

/// A matrix stored by columns: element (i, j) is data[i + j * stride].
struct Columns {
  cudaDataType type = CUDA_R_32F;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
};

/// d = epilogue(alpha op(a) op(b) + beta c).
struct MatrixMultiplication {
  float alpha = 1;
  float beta = 0;
  bool transpose_a = false;
  bool transpose_b = false;
  bool tf32 = false;  ///< factors of f32 are rounded to 10 bits of mantissa first
  int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* a = nullptr;
  const void* b = nullptr;
  const void* c = nullptr;
  void* d = nullptr;
  void* bias = nullptr;
  void* aux = nullptr;
  Columns a_layout, b_layout, c_layout, d_layout;
  cudaDataType bias_type = CUDA_R_32F;
  cudaDataType aux_type = CUDA_R_32F;
  std::int64_t aux_stride = 0;
};

void multiply(const MatrixMultiplication& task);

}  // namespace simt
