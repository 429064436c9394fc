// A test double of a GPU: its kernels are the CPU's, but its memory is its own. Whoever takes a pointer of the host for
// one of the device, or the other way round, in a copy between the two is found out.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "tensor/device.h"

namespace temper::testing_support {

/// Memory that knows which addresses it has handed out.
class DistantMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    void* block = host_.allocate(bytes);
    blocks_[static_cast<std::byte*>(block)] = bytes;
    return block;
  }
  void release(void* block, std::size_t bytes) noexcept override {
    blocks_.erase(static_cast<std::byte*>(block));
    host_.release(block, bytes);
  }
  void trim() noexcept override { host_.trim(); }
  [[nodiscard]] std::int64_t peak_bytes() const { return static_cast<std::int64_t>(host_.use().peak); }

  /// True if these bytes lie in one block.
  [[nodiscard]] bool holds(const void* data, std::size_t bytes) const {
    const auto* first = static_cast<const std::byte*>(data);
    const auto after = blocks_.upper_bound(const_cast<std::byte*>(first));
    if (after == blocks_.begin()) return false;
    const auto& [begin, size] = *std::prev(after);
    return first + bytes <= begin + size;
  }

 private:
  HostMemory host_;
  std::map<std::byte*, std::size_t> blocks_;
};

class DistantDevice : public Device {
 public:
  using Device::download;
  using Device::upload;

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cpu; }
  [[nodiscard]] bool shares_host_memory() const override { return false; }
  [[nodiscard]] std::string name() const override { return "a distant CPU"; }
  [[nodiscard]] Memory& memory() override { return memory_; }
  [[nodiscard]] std::int64_t peak_memory_bytes() const override { return memory_.peak_bytes(); }
  [[nodiscard]] bool has_bf16() const override { return false; }
  void upload(const void* from, void* to, std::size_t bytes) override {
    EXPECT_FALSE(memory_.holds(from, bytes)) << "uploaded from the device";
    EXPECT_TRUE(memory_.holds(to, bytes)) << "uploaded to the host";
    std::memcpy(to, from, bytes);
    uploaded += bytes;
    ++uploads;
  }
  void download(const void* from, void* to, std::size_t bytes) override {
    EXPECT_TRUE(memory_.holds(from, bytes)) << "downloaded from the host";
    EXPECT_FALSE(memory_.holds(to, bytes)) << "downloaded to the device";
    std::memcpy(to, from, bytes);
    downloaded += bytes;
  }
  void synchronize() override {}

  [[nodiscard]] const DistantMemory& distant_memory() const { return memory_; }

  std::size_t uploaded = 0;  ///< bytes so far
  std::size_t downloaded = 0;
  int uploads = 0;

 private:
  [[nodiscard]] Kernels& plain_kernels() override { return cpu_->kernels(); }

  std::unique_ptr<Device> cpu_ = make_cpu_device();
  DistantMemory memory_;
};

}  // namespace temper::testing_support
