#include "launch/device_choice.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
#include <string_view>

#include "base/error.h"
#include "tensor/cuda_device.h"

namespace temper {

std::unique_ptr<Device> make_device(const std::string& name, Communicator& world) {
  constexpr std::array<std::string_view, 3> kNames{"auto", "cpu", "cuda"};
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) throw usage_error("run.device is '{}'; expected auto, cpu or cuda", name);
  const CudaAvailability cuda = name == "cpu" ? CudaAvailability{} : cuda_availability();
  // The ranks decide together: half of them on another device would change the result, and wait for the rest.
  const std::int64_t choice = found - kNames.begin();
  std::array<std::int64_t, 3> least{choice, -choice, cuda.devices > 0 ? 1 : 0};
  world.all_reduce(std::span(least), Reduction::min);
  if (least[0] != -least[1])
    throw usage_error("the ranks differ in run.device; give every rank the same file and --set options");
  if (name == "cpu") return make_cpu_device();
  if (least[2] != 0) return make_cuda_device(world.topology().local_rank);
  const std::string reason = cuda.devices > 0 ? "another rank finds no GPU" : cuda.unusable;
  if (name == "cuda")
    throw Error("run.device is cuda, but there is no GPU to use: {}; set run.device = \"cpu\" or \"auto\"", reason);
  if (cuda.built && world.rank() == 0)
    std::fprintf(stderr, "no GPU to use (%s): computing on the CPU\n", reason.c_str());
  return make_cpu_device();
}

}  // namespace temper
