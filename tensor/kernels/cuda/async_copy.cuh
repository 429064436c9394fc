// Asynchronous copies from global to shared memory: cp.async of the PTX ISA ("Data movement and conversion
// instructions: non-bulk asynchronous copies"). What a copy has written may be read by its own thread after
// wait_for_copies, and by the other threads of the block after a __syncthreads that follows it.
#pragma once

#include <cstdint>

namespace temper {

/// 16 bytes, both addresses aligned to 16; zeros where not `wanted`, and then nothing is read.
__device__ inline void copy_16_bytes(void* shared, const void* global, bool wanted) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(address), "l"(global), "r"(wanted ? 16 : 0)
               : "memory");
}

/// Waits for all copies that this thread has started.
__device__ inline void wait_for_copies() { asm volatile("cp.async.wait_all;\n" ::: "memory"); }

}  // namespace temper
