#include "tensor/kernels/cpu/vector/instruction_set.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"
#include "hwy/highway.h"
#include "hwy/targets.h"

namespace temper {
namespace {

struct Entry {
  std::string_view name;
  const char* for_people;
  dnnl::cpu_isa products;  ///< oneDNN's name
  std::int64_t without;    ///< Highway's targets beyond it
};

constexpr std::int64_t kBeyondAvx2 = HWY_AVX3 | HWY_AVX3_DL;

/// In the order of the enumeration.
constexpr Entry kEntries[] = {
    {"sse4", "SSE4", dnnl::cpu_isa::sse41, kBeyondAvx2 | HWY_AVX2 | HWY_SSE4 | HWY_SSSE3},
    {"avx2", "AVX2", dnnl::cpu_isa::avx2, kBeyondAvx2},
    {"avx512", "AVX-512", dnnl::cpu_isa::avx512_core, 0},
    {"avx512_bf16", "AVX-512 with BF16", dnnl::cpu_isa::avx512_core_bf16, 0},
    {"amx", "AVX-512 with AMX", dnnl::cpu_isa::avx512_core_amx, 0},
};

const Entry& entry_of(InstructionSet set) { return kEntries[static_cast<std::size_t>(set)]; }

/// Highway's targets that kernels are held to; 0: all that the processor has.
std::int64_t kept_targets = 0;

/// Throws Error if $TEMPER_MAX_ISA names none, or comes too late.
bool apply_limit() {
  const char* name = std::getenv("TEMPER_MAX_ISA");
  if (name == nullptr || *name == '\0') return false;
#if defined(__x86_64__)
  const Entry& most = entry_of(parse_instruction_set(name));
  if (dnnl::set_max_cpu_isa(most.products) != dnnl::status::success)
    throw Error(
        "TEMPER_MAX_ISA={}: oneDNN does not let itself be held to it; this build of oneDNN lacks "
        "ONEDNN_ENABLE_MAX_CPU_ISA, or was used before",
        name);
  if (most.without != 0) {
    const std::int64_t kept = hwy::SupportedTargets() & ~most.without;
    kept_targets = kept != 0 ? kept : HWY_STATIC_TARGET;
    choose_all_allowed_targets();
  }
  return true;
#else
  throw Error("TEMPER_MAX_ISA={}: instruction sets can be chosen on x86 alone; unset it", name);
#endif
}

}  // namespace

InstructionSet parse_instruction_set(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kEntries), std::end(kEntries), [&](const Entry& entry) { return entry.name == name; });
  if (found == std::end(kEntries))
    throw Error("TEMPER_MAX_ISA={}: is no instruction set; expected sse4, avx2, avx512, avx512_bf16 or amx", name);
  return static_cast<InstructionSet>(found - std::begin(kEntries));
}

void limit_instruction_set() { [[maybe_unused]] static const bool limited = apply_limit(); }

// Not DisableTargets: Highway 1.0 chooses among all targets again at each later call of SupportedTargets.
void choose_all_allowed_targets() { hwy::SetSupportedTargetsForTest(kept_targets); }

bool may_use(InstructionSet set) {
  const auto wanted = static_cast<unsigned>(entry_of(set).products);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

std::string instruction_set_in_use() {
#if defined(__x86_64__)
  const std::int64_t targets = hwy::SupportedTargets();
  auto set = InstructionSet::sse4;
  if ((targets & HWY_AVX2) != 0) set = InstructionSet::avx2;
  if ((targets & HWY_AVX3) != 0) {
    set = InstructionSet::avx512;
    for (const auto wider : {InstructionSet::avx512_bf16, InstructionSet::amx})
      if (may_use(wider)) set = wider;
  }
  return entry_of(set).for_people;
#else
  return hwy::TargetName(HWY_STATIC_TARGET);
#endif
}

}  // namespace temper
