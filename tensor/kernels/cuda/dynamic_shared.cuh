// The shared memory whose size the launch decides. A block has one such piece: a kernel asks once and cuts it up.
#pragma once

namespace temper {

/// Aligned to 16 bytes.
__device__ inline unsigned char* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char temper_dynamic_shared[];
  return temper_dynamic_shared;
}

}  // namespace temper
