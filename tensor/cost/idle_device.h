// A device that computes nothing: its kernels return at once and only report what they would have done. With it a model
// can be run on shapes alone, to count the operations, bytes and memory of a step (runtime/planning/dry_run.h).
//
// Note: its memory is host address space that is never touched, except for uploads; what a kernel should have written
// is unspecified.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tensor/device.h"

namespace temper {

class IdleDevice final : public Device {
 public:
  /// `see` is called for every kernel call that is not composed of others.
  explicit IdleDevice(std::function<void(const KernelId& kernel, const KernelWork& work)> see);
  ~IdleDevice() override;

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cpu; }
  [[nodiscard]] bool shares_host_memory() const override { return true; }
  [[nodiscard]] std::string name() const override { return "idle"; }
  [[nodiscard]] Memory& memory() override { return memory_; }
  [[nodiscard]] std::int64_t peak_memory_bytes() const override;
  [[nodiscard]] bool has_bf16() const override { return true; }
  void upload(const void* from, void* to, std::size_t bytes) override;
  void download(const void* from, void* to, std::size_t bytes) override;
  void synchronize() override {}

  [[nodiscard]] std::int64_t memory_in_use_bytes() const;
  /// Resets the peak to the current use, and what kernels keep to nothing.
  void reset_peak();
  /// Of memory of their own that a CPU's kernels keep from one call to the next, what those since then ask for.
  [[nodiscard]] std::int64_t kept_by_kernels_bytes() const;

 private:
  class IdleKernels;

  [[nodiscard]] Kernels& plain_kernels() override { return seen_.kernels(); }

  HostMemory memory_;
  std::unique_ptr<IdleKernels> kernels_;
  TimedKernels seen_;
};

}  // namespace temper
