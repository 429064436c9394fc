// Kernel profiling: each call of a device's kernels is timed and summed by name.
//
// Note: the device is synchronised before and after every call, so nothing overlaps and the run is slower than usual.
// In return a row contains only its own kernel's time: copies between host and device, and waits for other ranks, are
// in no row.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/timeline.h"
#include "tensor/calls/kernel_work.h"

namespace temper {

class Kernels;

struct KernelTime {
  KernelId kernel;
  std::int64_t calls = 0;
  double seconds = 0.0;  ///< of the kernel itself; of one that is made of others, without those
  KernelWork work = {};  ///< in all; of one that is made of others, none: it is theirs
};

/// The share, 0 to 1, of the rows' seconds that went into anything but matrix products and attention; 0 if there are
/// none. A bias or an activation that a device adds in the product's own pass counts as the product.
double share_outside_products_and_attention(std::span<const KernelTime> times);

class TimedKernels {
 public:
  /// `wait` returns once the device has done what it was given. From now on `kernels` is to be used through kernels()
  /// alone; it must be there as long as that is used. `host_memory`: arrays of sequences may be read here.
  TimedKernels(Kernels& kernels, std::function<void()> wait, bool host_memory = true);
  ~TimedKernels();

  /// The same kernels, with their calls timed.
  [[nodiscard]] Kernels& kernels();

  /// Calls go there too (may be null).
  void set_timeline(Timeline* timeline);
  /// `see` is told of every call that is not made of others.
  void observe(std::function<void(const KernelId& kernel, const KernelWork& work)> see);

  /// A row for each kernel that was called, the longest first.
  [[nodiscard]] std::vector<KernelTime> times() const;
  /// Resets the measurements.
  void forget_times();

 private:
  class Wrapper;
  std::unique_ptr<Wrapper> wrapper_;
};

}  // namespace temper
