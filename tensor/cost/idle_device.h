// A device that computes nothing: its kernels return at once and only say what they would have had to do. With it a
// model can be run by its shapes, to see what a step needs of operations, bytes and memory
// (runtime/planning/dry_run.h).
//
// What a reader would otherwise get wrong: its memory is address space of the host that nobody touches, but for what is
// uploaded; whatever a kernel should have written is unspecified.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tensor/device.h"

namespace temper {

class IdleDevice final : public Device {
 public:
  /// `see` is told of every call of a kernel that is not made of others.
  explicit IdleDevice(std::function<void(const KernelId& kernel, const KernelWork& work)> see);
  ~IdleDevice() override;

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cpu; }
  [[nodiscard]] std::string name() const override { return "idle"; }
  [[nodiscard]] Memory& memory() override { return memory_; }
  [[nodiscard]] std::int64_t peak_memory_bytes() const override;
  [[nodiscard]] bool has_bf16() const override { return true; }
  void upload(const void* from, void* to, std::size_t bytes) override;
  void download(const void* from, void* to, std::size_t bytes) override;
  void synchronize() override {}

  [[nodiscard]] std::int64_t memory_in_use_bytes() const;
  /// The peak begins anew at what is in use.
  void reset_peak() { memory_.reset_peak(); }

 private:
  [[nodiscard]] Kernels& plain_kernels() override { return seen_.kernels(); }

  HostMemory memory_;
  std::unique_ptr<Kernels> kernels_;
  TimedKernels seen_;
};

}  // namespace temper
