// A device: its kernels and its memory. Everything that computes is handed one.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/kernels.h"
#include "tensor/memory.h"

namespace temper {

enum class DeviceKind : std::uint8_t { cpu, cuda };

class Device {
 public:
  Device(DeviceKind kind, std::unique_ptr<Kernels> kernels, std::unique_ptr<Memory> memory)
      : kind_(kind), kernels_(std::move(kernels)), memory_(std::move(memory)) {}

  [[nodiscard]] DeviceKind kind() const { return kind_; }
  [[nodiscard]] Kernels& kernels() const { return *kernels_; }
  [[nodiscard]] Memory& memory() const { return *memory_; }

 private:
  DeviceKind kind_;
  std::unique_ptr<Kernels> kernels_;
  std::unique_ptr<Memory> memory_;
};

/// The host's processor.
std::unique_ptr<Device> make_cpu_device();
/// How many threads the kernels of this process use from now on.
void set_cpu_threads(int threads);
/// Cores that this process may run on, shared fairly among `local_ranks` ranks of the node.
int default_cpu_threads(int local_ranks);

}  // namespace temper
