// The instruction sets that the CPU's kernels choose among at run time, and the most that they may use.
//
// Note: Highway and oneDNN each look at the processor for themselves, and each keeps to what it found when it was first
// asked. So the limit reaches both at once, before either runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace temper {

/// Each has all that stand before it. Kernels of sse4 are plain code that every x86-64 processor runs.
enum class InstructionSet : std::uint8_t { sse4, avx2, avx512, avx512_bf16, amx };

/// As the environment variable has it: "sse4", "avx2", "avx512", "avx512_bf16" or "amx". Throws Error for another.
InstructionSet parse_instruction_set(std::string_view name);

/// Holds all kernels of this process to what $TEMPER_MAX_ISA names, if it is set: to the set itself, or to the most
/// that the processor has if that is less. CpuKernels does so before anything else; later calls do nothing. Throws
/// Error for an unknown name, and where oneDNN has been used before.
void limit_instruction_set();

/// Lets kernels choose among all sets that the limit leaves, after a test held them to one.
void choose_all_allowed_targets();

/// True where the processor has the set, and oneDNN may use it.
bool may_use(InstructionSet set);

/// What kernels use, for people: "AVX2", "AVX-512 with BF16".
std::string instruction_set_in_use();

}  // namespace temper
