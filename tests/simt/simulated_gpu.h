// What a test can change about the emulated machine.
//
// The environment sets the same before the program starts: TEMPER_SIMT_DEVICES (default 8), TEMPER_SIMT_MEMORY (bytes
// of one device).
#pragma once

#include <cstddef>

namespace simt {

/// 0: there is no GPU, and every call says cudaErrorNoDevice.
void set_device_count(int devices);
/// Bytes of one device; an allocation beyond them fails.
void set_device_memory(std::size_t bytes);
/// 8.0 (163 KiB of shared memory in a block) or 9.0 (227 KiB, the default).
void set_compute_capability(int major, int minor);
/// False: the matrix library refuses every fused epilogue, as the real one may for some shapes.
void set_fused_epilogues(bool supported);

/// True: every communicator of NCCL reports that another rank was lost.
void set_communication_broken(bool is_broken);

/// Device memory that is allocated now, and the number of its blocks.
struct DeviceUse {
  std::size_t bytes = 0;
  std::size_t blocks = 0;
};
DeviceUse device_use();

}  // namespace simt
