// Device memory in tests, and the way there and back.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace simt {

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t elements) : elements_(elements) {
    EXPECT_EQ(cudaMalloc(&data_, elements * sizeof(T)), cudaSuccess);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    EXPECT_EQ(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { (void)cudaFree(data_); }

  [[nodiscard]] T* data() const { return data_; }
  /// After all work.
  [[nodiscard]] std::vector<T> values() const {
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    std::vector<T> values(elements_);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, elements_ * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }

 private:
  std::size_t elements_;
  T* data_ = nullptr;
};

/// Death tests fork, which a process of an MPI job must not.
bool may_fork();

}  // namespace simt
