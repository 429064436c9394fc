// Where the device's memory lies: in addresses of its own, which the host cannot touch while no work runs.
//
// Note: under AddressSanitizer the memory is the host's, because there what lies between the blocks is worth more:
// every access beyond a block is reported.
#pragma once

#include <cstddef>

namespace simt {

/// Aligned to 256 bytes and, before any work runs, full of NaNs; null where there is no room.
void* take_device_block(std::size_t bytes);
void give_device_block(void* block, std::size_t bytes);

/// While one of these lives, device memory can be read and written: around work and copies.
class DeviceAccess {
 public:
  DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
  ~DeviceAccess();
};

}  // namespace simt
