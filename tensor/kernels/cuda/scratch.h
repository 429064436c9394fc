// Device memory for the duration of one call. It is freed in stream order, so that work launched before may still use
// it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/memory.h"

namespace temper {

template <typename T>
class DeviceScratch {
 public:
  DeviceScratch(Memory& memory, std::int64_t elements)
      : memory_(memory), bytes_(static_cast<std::size_t>(elements) * sizeof(T)), block_(memory.allocate(bytes_)) {}
  DeviceScratch(const DeviceScratch&) = delete;
  DeviceScratch& operator=(const DeviceScratch&) = delete;
  ~DeviceScratch() { memory_.release(block_, bytes_); }

  [[nodiscard]] T* data() const { return static_cast<T*>(block_); }

 private:
  Memory& memory_;
  std::size_t bytes_;
  void* block_;
};

}  // namespace temper
