// Elements of matrices as threads see them: f32 in registers, f32 or bf16 in memory. Where rows begin on 16 bytes a
// thread moves a pack of eight at once: of bf16 that is one access of 16 bytes (of f32 two), and eight columns are what
// one call of philox() serves. Elsewhere it moves one. Kernels take the number as kWidth, kPack or 1.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/kernels/cuda/cuda_status.h"
#include "tensor/rows.h"

namespace temper {

inline constexpr int kPack = 8;
/// Threads of a block wherever no more is at stake.
inline constexpr int kThreads = 256;

// ---- one element ----------------------------------------------------------------------------------------------------

__device__ inline float read(const float* from) { return *from; }
__device__ inline float read(const BFloat16* from) { return to_float(*from); }
__device__ inline void write(float value, float* to) { *to = value; }
// Unlike the CPU kernels, GPUs keep denormals.
__device__ inline void write(float value, BFloat16* to) { to->bits = __bfloat16_as_ushort(__float2bfloat16_rn(value)); }

/// What is read of a T after `value` was written to it.
template <typename T>
__device__ inline float rounded(float value) {
  T stored;
  write(value, &stored);
  return read(&stored);
}

// ---- packs ----------------------------------------------------------------------------------------------------------

/// Sixteen bytes of elements of any type.
struct alignas(16) [[gnu::may_alias]] SixteenBytes {
  std::uint32_t words[4];
};

/// kPack elements as they lie in memory.
template <typename T>
struct Pack {
  static constexpr int kPieces = kPack * sizeof(T) / sizeof(SixteenBytes);
  SixteenBytes pieces[kPieces];

  __device__ std::uint32_t& word(int i) { return pieces[i / 4].words[i % 4]; }
  __device__ std::uint32_t word(int i) const { return pieces[i / 4].words[i % 4]; }
};

template <typename T>
__device__ inline Pack<T> load_pack(const T* from) {
  Pack<T> pack;
#pragma unroll
  for (int i = 0; i < Pack<T>::kPieces; ++i) pack.pieces[i] = reinterpret_cast<const SixteenBytes*>(from)[i];
  return pack;
}
template <typename T>
__device__ inline void store_pack(const Pack<T>& pack, T* to) {
#pragma unroll
  for (int i = 0; i < Pack<T>::kPieces; ++i) reinterpret_cast<SixteenBytes*>(to)[i] = pack.pieces[i];
}

__device__ inline void unpack(const Pack<float>& pack, float (&values)[kPack]) {
#pragma unroll
  for (int i = 0; i < kPack; ++i) values[i] = __uint_as_float(pack.word(i));
}
__device__ inline void unpack(const Pack<BFloat16>& pack, float (&values)[kPack]) {
#pragma unroll
  for (int i = 0; i < kPack / 2; ++i) {
    values[2 * i] = __uint_as_float(pack.word(i) << 16);
    values[2 * i + 1] = __uint_as_float(pack.word(i) & 0xFFFF0000U);
  }
}

template <typename T>
__device__ inline Pack<T> packed(const float (&values)[kPack]) {
  Pack<T> pack;
  if constexpr (std::is_same_v<T, float>) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) pack.word(i) = __float_as_uint(values[i]);
  } else {
#pragma unroll
    for (int i = 0; i < kPack / 2; ++i) {
      const __nv_bfloat162 pair = __floats2bfloat162_rn(values[2 * i], values[2 * i + 1]);
      std::memcpy(&pack.word(i), &pair, sizeof pair);
    }
  }
  return pack;
}

// ---- packs of a matrix ----------------------------------------------------------------------------------------------

/// The first `count` of kWidth elements, and zeros.
template <int kWidth, typename T>
__device__ inline void load(const T* from, int count, float (&values)[kWidth]) {
  if constexpr (kWidth == kPack) {
    if (count == kPack) {
      unpack(load_pack(from), values);
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = i < count ? read(from + i) : 0.0F;
}

/// The first `count` of kWidth elements; the others are not touched.
template <int kWidth, typename T>
__device__ inline void store(const float (&values)[kWidth], int count, T* to) {
  if constexpr (kWidth == kPack) {
    if (count == kPack) {
      store_pack(packed<T>(values), to);
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i < count) write(values[i], to + i);
  }
}

template <typename T>
__device__ inline T* row_of(const MatrixOf<T>& matrix, std::int64_t row) {
  return matrix.data + row * matrix.stride;
}

/// Which elements a thread has, where each thread of the grid has kWidth columns of one row.
struct Place {
  std::int64_t row;
  std::int64_t column;
  int count;  ///< up to the end of the row; 0 for threads beyond the end of the matrix
};

template <int kWidth>
__device__ inline Place place_in(std::int64_t rows, std::int64_t columns) {
  const auto packs = static_cast<std::uint64_t>((columns + kWidth - 1) / kWidth);
  const std::uint64_t index = static_cast<std::uint64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const auto row = static_cast<std::int64_t>(index / packs);
  const auto column = static_cast<std::int64_t>(index % packs) * kWidth;
  if (row >= rows) return {0, 0, 0};
  return {row, column, columns - column < kWidth ? static_cast<int>(columns - column) : kWidth};
}

// ---- what the host decides ------------------------------------------------------------------------------------------

/// Parts of `size` that cover `total`.
inline unsigned parts(std::int64_t total, std::int64_t size) {
  return static_cast<unsigned>((total + size - 1) / size);
}

/// The blocks of kThreads threads that place_in() expects.
template <int kWidth>
dim3 grid_over(std::int64_t rows, std::int64_t columns) {
  return dim3(parts(rows * ((columns + kWidth - 1) / kWidth), kThreads));
}

inline bool begins_pack(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; }

/// Whether every row begins on a pack; true where there is no matrix.
template <typename Void>
bool rows_begin_packs(const RowsOf<Void>& matrix) {
  return begins_pack(matrix.data) && (matrix.rows <= 1 || matrix.stride % kPack == 0);
}

/// Calls function(width), a constant: kPack or 1.
template <typename Function>
void with_width(bool in_packs, const Function& function) {
  if (in_packs) {
    function(std::integral_constant<int, kPack>{});
  } else {
    function(std::integral_constant<int, 1>{});
  }
}

/// Calls function(std::type_identity<T>{}) with the type of the elements.
template <typename Function>
void with_type(DType type, const Function& function) {
  switch (type) {
    case DType::f32:
      return function(std::type_identity<float>{});
    case DType::bf16:
      return function(std::type_identity<BFloat16>{});
    default:
      refuse("A kernel of the CUDA device was given a matrix that is neither f32 nor bf16. Please report this.");
  }
}

/// A matrix without gaps as one row, so that rows of any width are read in packs.
template <typename Void>
RowsOf<Void> joined(const RowsOf<Void>& matrix) {
  if (matrix.stride != matrix.columns) return matrix;
  const std::int64_t elements = matrix.rows * matrix.columns;
  return {matrix.data, 1, elements, elements, matrix.type};
}

}  // namespace temper
