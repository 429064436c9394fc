// Tensor-core products of one warp, and how their operands are read from shared memory: mma.sync.m16n8k16 and ldmatrix
// of the PTX ISA ("Warp-level matrix instructions"), for bf16 with f32 accumulation.
//
// With group = lane / 4 and pair = lane % 4, a lane holds
//   of A [16, 16]: a[0] (group, 2 pair), a[1] (group + 8, 2 pair), a[2] (group, 2 pair + 8), a[3] (group + 8, 2 pair + 8),
//   of B [16, 8]:  b[0] (2 pair, group), b[1] (2 pair + 8, group), each two elements that follow one another along k,
//   of C [16, 8]:  c[0], c[1] (group, 2 pair), (group, 2 pair + 1), c[2], c[3] the same in row group + 8.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace temper {

/// c += a b.
__device__ inline void warp_multiply(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8 x 8 matrices: lane l names in `row` (16-byte aligned, in shared memory) row l % 8 of matrix l / 8, and
/// receives in r[i] elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of matrix i.
__device__ inline void load_matrices(std::uint32_t (&r)[4], const __nv_bfloat16* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

/// The same of the transposed matrices: r[i] holds elements of rows 2 (l % 4), 2 (l % 4) + 1 in column l / 4.
__device__ inline void load_matrices_transposed(std::uint32_t (&r)[4], const __nv_bfloat16* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

/// Two floats as one register of bf16: `low` is the first element.
__device__ inline std::uint32_t pack_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}

}  // namespace temper
