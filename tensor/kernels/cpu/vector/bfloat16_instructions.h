// Whether the processor has AVX-512 BF16: instructions that round f32 to bf16, and that multiply pairs of bf16.
// Highway's release in Debian has no operations for them.
#pragma once

namespace temper {

inline bool processor_has_bfloat16_instructions() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

/// Looked at in inner loops.
inline const bool kHasBFloat16Instructions = processor_has_bfloat16_instructions();

}  // namespace temper
