#include "tensor/cost/idle_device.h"

#include <cstring>
#include <utility>

#include "tensor/kernels/cpu/winograd.h"

namespace temper {

class IdleDevice::IdleKernels final : public UniformKernels<IdleKernels, Kernels, AllCalls> {
 public:
  WinogradRooms rooms;

  template <typename Call>
  void take(const Call& call) {
    if constexpr (requires { winograd_rooms(call); }) rooms |= winograd_rooms(call);
    if constexpr (MadeOfParts<Call>) call.run_parts(this->whole());
  }
};

IdleDevice::IdleDevice(std::function<void(const KernelId&, const KernelWork&)> see)
    : kernels_(std::make_unique<IdleKernels>()), seen_(*kernels_, [] {}) {
  seen_.observe(std::move(see));
}

IdleDevice::~IdleDevice() = default;

std::int64_t IdleDevice::peak_memory_bytes() const { return static_cast<std::int64_t>(memory_.use().peak); }

std::int64_t IdleDevice::memory_in_use_bytes() const { return static_cast<std::int64_t>(memory_.use().in_use); }

void IdleDevice::reset_peak() {
  memory_.reset_peak();
  kernels_->rooms = {};
}

std::int64_t IdleDevice::kept_by_kernels_bytes() const { return kernels_->rooms.bytes(); }

void IdleDevice::upload(const void* from, void* to, std::size_t bytes) { std::memcpy(to, from, bytes); }

void IdleDevice::download(const void* from, void* to, std::size_t bytes) { std::memcpy(to, from, bytes); }

}  // namespace temper
