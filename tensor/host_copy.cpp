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

HostCopy::HostCopy(Device& device, const Tensor& tensor, std::int64_t begin, std::int64_t count) {
  if (tensor.type() == DType::f32) {
    *this = HostCopy(device, tensor.data<float>() + begin, static_cast<std::size_t>(count));
    return;
  }
  if (count == 0) return;
  const std::int64_t first = begin / tensor.columns();
  const std::int64_t end = (begin + count - 1) / tensor.columns() + 1;
  copy_ = device.download_as_f32(tensor.row_range(first, end - first));
  copy_.erase(copy_.begin(), copy_.begin() + (begin - first * tensor.columns()));
  copy_.resize(static_cast<std::size_t>(count));
}

}  // namespace temper
