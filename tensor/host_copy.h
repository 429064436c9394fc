// Device data as the host reads it: the memory itself if the host shares it, else a copy.
#pragma once

#include <span>
#include <vector>

#include "tensor/device.h"

namespace temper {

class HostCopy {
 public:
  /// Waits for the device's work so far. Of shared memory it is a view: `data` must then live as long.
  HostCopy(Device& device, const float* data, std::size_t count);
  /// Of a tensor of f32 or a narrow type; what is no f32 is always copied. The tensor's memory stays as long as this.
  HostCopy(Device& device, const Tensor& tensor);
  /// Of elements [begin, begin + count) of such a tensor. Of f32 that the host shares, `tensor` must live as long.
  HostCopy(Device& device, const Tensor& tensor, std::int64_t begin, std::int64_t count);

  [[nodiscard]] std::span<const float> values() const { return view_.data() != nullptr ? view_ : copy_; }

 private:
  Tensor viewed_;
  std::vector<float> copy_;
  std::span<const float> view_;
};

}  // namespace temper
