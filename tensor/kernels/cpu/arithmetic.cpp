#include <fmt/format.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <oneapi/dnnl/dnnl.hpp>

#include "hwy/targets.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"

namespace temper {
namespace {

/// Family, model and stepping, as the processor puts them into one number; 0 where it does not.
unsigned processor_signature() {
  unsigned signature = 0;
#if defined(__x86_64__)
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &signature, &b, &c, &d) == 0) signature = 0;
#endif
  return signature;
}

}  // namespace

CpuKernels::CpuKernels() {
  // Before a kernel asks what there is.
  limit_instruction_set();
}

// Kernels go by the vectors that there are, oneDNN's and the choice between the two by vendor and caches as well.
std::string cpu_arithmetic() {
  const dnnl_version_t& library = *dnnl_version();
  return fmt::format("processor {:x}, vectors {:x}, products {:x} of oneDNN {}.{}.{}", processor_signature(),
                     static_cast<std::uint64_t>(hwy::SupportedTargets()),
                     static_cast<unsigned>(dnnl::get_effective_cpu_isa()), library.major, library.minor, library.patch);
}

}  // namespace temper
