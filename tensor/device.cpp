#include "tensor/device.h"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "tensor/kernels/cpu/cpu_kernels.h"

namespace temper {

std::unique_ptr<Device> make_cpu_device() {
  return std::make_unique<Device>(DeviceKind::cpu, std::make_unique<CpuKernels>(), std::make_unique<HostMemory>());
}

void set_cpu_threads(int threads) { omp_set_num_threads(std::max(1, threads)); }

int default_cpu_threads(int local_ranks) {
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const int bound = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : cores;
  return std::max(1, std::min(bound, cores / std::max(1, local_ranks)));
}

}  // namespace temper
