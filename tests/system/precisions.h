// The precisions of products that this machine's processor has.
#pragma once

#include <string>
#include <vector>

#include "tensor/device.h"

namespace temper::system_tests {

inline std::vector<std::string> precisions_here() {
  std::vector<std::string> precisions{"f32"};
  if (make_cpu_device()->has_bf16()) precisions.emplace_back("bf16");
  return precisions;
}

}  // namespace temper::system_tests
