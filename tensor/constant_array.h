// An array that never changes, on whichever device asks for it.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "tensor/device.h"

namespace temper {

/// Uploaded when a device first asks, and from then on where it is: so that captured work (tensor/cuda_device.h), which
/// runs a second time only, finds it there.
template <typename T>
class ConstantArray {
 public:
  ConstantArray() = default;
  explicit ConstantArray(std::vector<T> values) : values_(std::move(values)) {}

  [[nodiscard]] const std::vector<T>& values() const { return values_; }
  [[nodiscard]] const Tensor& on(Device& device) const {
    if (memory_ != &device.memory()) {
      on_device_ = device.upload(std::span<const T>(values_), {static_cast<std::int64_t>(values_.size())});
      memory_ = &device.memory();
    }
    return on_device_;
  }

 private:
  std::vector<T> values_;
  mutable const Memory* memory_ = nullptr;
  mutable Tensor on_device_;
};

}  // namespace temper
