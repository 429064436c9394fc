// The CPU device: kernels written with Highway, which choose the instruction set at run time; oneDNN for matrix
// products of bf16, and of f32 where it is as good (panel_matmul.h); OpenMP threads inside a rank.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tensor/kernels.h"
#include "tensor/kernels/cpu/matmul/product_primitives.h"

namespace temper {

/// The one type, f32 or bf16, of these matrices; those without data do not count. Throws Error if there are two, or
/// another.
template <typename... Matrices>
DType common_type(std::string_view kernel, const Matrices&... matrices) {
  const void* const data[] = {matrices.data...};
  const DType types[] = {matrices.type...};
  const DType* common = nullptr;
  for (std::size_t i = 0; i < sizeof...(matrices); ++i) {
    if (data[i] == nullptr) continue;
    if (types[i] != DType::f32 && types[i] != DType::bf16)
      throw Error("{}: the CPU computes on f32 and bf16, but was given {}", kernel, name_of(types[i]));
    if (common != nullptr && *common != types[i])
      throw Error("{}: the CPU takes matrices of one type, but was given {} and {}", kernel, name_of(*common),
                  name_of(types[i]));
    common = &types[i];
  }
  return common == nullptr ? DType::f32 : *common;
}

/// Names what the last bits of results depend on beside the arguments: the kind of processor, the release of oneDNN,
/// and the instructions that it may use.
std::string cpu_arithmetic();

class CpuKernels final : public Kernels {
 public:
  /// Throws Error if $TEMPER_MAX_ISA cannot be followed (instruction_set.h).
  CpuKernels();

  using Kernels::run;
  TEMPER_KERNEL_CALLS(TEMPER_OVERRIDE_RUN)

 private:
  ProductPrimitives products_;
};

}  // namespace temper
