// Stands in for the header of this name where kernels are compiled for the emulator: the same fragments, as
// collectives of all 32 lanes.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace simt {

/// What a lane brings to a product: the layouts are those of the real header.
struct MatrixProduct {
  float* c;
  const std::uint32_t* a;
  const std::uint32_t* b;
};
void resolve_product(void* const* lanes, unsigned active);

struct MatrixRow {
  const std::uint16_t* row;
  std::uint32_t r[4];
};
void resolve_load(void* const* lanes, unsigned active);
void resolve_transposed_load(void* const* lanes, unsigned active);
void load_fragments(std::uint32_t (&r)[4], const void* row, const char* what, Resolve resolve, Site site);

}  // namespace simt

namespace temper {

inline void warp_multiply(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                          simt::Site site = simt::here()) {
  simt::MatrixProduct mine{c, a, b};
  simt::full_warp_collective("warp_multiply", &mine, simt::resolve_product, site);
}

inline void load_matrices(std::uint32_t (&r)[4], const __nv_bfloat16* row, simt::Site site = simt::here()) {
  simt::load_fragments(r, row, "load_matrices", simt::resolve_load, site);
}

inline void load_matrices_transposed(std::uint32_t (&r)[4], const __nv_bfloat16* row, simt::Site site = simt::here()) {
  simt::load_fragments(r, row, "load_matrices_transposed", simt::resolve_transposed_load, site);
}

inline std::uint32_t pack_pair(float low, float high) {
  return static_cast<std::uint32_t>(__bfloat16_as_ushort(__float2bfloat16(low))) |
         static_cast<std::uint32_t>(__bfloat16_as_ushort(__float2bfloat16(high))) << 16U;
}

}  // namespace temper
