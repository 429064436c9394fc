// Whether the processor rounds f32 to bf16 by an instruction of its own (AVX-512 BF16). Highway's release in Debian has
// no operation for it.
#pragma once

namespace temper {

inline bool processor_rounds_to_bfloat16() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

/// Looked at in inner loops.
inline const bool kRoundsByInstruction = processor_rounds_to_bfloat16();

}  // namespace temper
