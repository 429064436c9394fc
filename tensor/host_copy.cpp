#include "tensor/host_copy.h"

namespace temper {

HostCopy::HostCopy(Device& device, const float* data, std::size_t count) {
  if (device.shares_host_memory()) {
    view_ = {data, count};
    return;
  }
  copy_.resize(count);
  device.download(data, copy_.data(), count * sizeof(float));
}

HostCopy::HostCopy(Device& device, const Tensor& tensor) {
  if (device.shares_host_memory() && tensor.type() == DType::f32) {
    viewed_ = tensor;
    view_ = viewed_.span<float>();
  } else {
    copy_ = device.download_as_f32(tensor);
  }
}

}  // namespace temper
