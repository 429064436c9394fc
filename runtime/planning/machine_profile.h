// What a machine can do, measured by `temper bench machine` (runtime/planning/machine_bench.h) and kept as a small JSON
// file: the roof over a profile's kernels, and what a plan's times are made of (runtime/planning/cost_model.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/calls/kernel_work.h"

namespace temper {

/// A call of a kernel that was timed.
struct MeasuredCall {
  std::string kernel;  ///< its name (KernelId)
  KernelWork work;
  double seconds = 0.0;
};

/// Of one rank.
struct RankRates {
  double operations = 0.0;  ///< a second, multiply-adds of f32 in registers; on GPUs the most that a product reached
  double bf16_operations = 0.0;  ///< the same of bf16; 0: the device has none
  double memory_bytes = 0.0;     ///< a second, read and written together
  std::vector<MeasuredCall> calls;
};

/// seconds = latency + bytes / bytes_per_second.
struct TransferRate {
  double latency_seconds = 0.0;
  double bytes_per_second = 0.0;  ///< 0: not measured

  [[nodiscard]] bool measured() const { return bytes_per_second > 0.0; }
  [[nodiscard]] double seconds(double bytes) const { return latency_seconds + bytes / bytes_per_second; }
};

struct MachineProfile {
  int ranks = 1;  ///< that measured it
  int nodes = 1;
  int threads = 1;  ///< a rank
  std::string device;
  std::string instruction_set;    ///< that kernels used: "AVX2"; empty where the device's name says it all
  RankRates alone;                ///< while the other ranks wait
  RankRates together;             ///< while all of them compute; of the slowest
  TransferRate all_reduce;        ///< the small one of a step, in bytes of integers
  TransferRate exchange;          ///< gradients summed and parameters shared, in bytes of gradients, inside a node
  TransferRate message_exchange;  ///< the same by messages: between nodes where there were several
  double disk_bytes_per_second = 0.0;
  /// Of the seconds in which it computed, those in which the slowest rank had a processor; 1: it had it alone. On
  /// GPUs 1.
  double processor_share = 1.0;
  double start_seconds = 0.0;       ///< from the start of the process until ranks can talk
  std::int64_t resident_bytes = 0;  ///< of a rank that has just started

  [[nodiscard]] const RankRates& rates(bool several_ranks) const { return several_ranks ? together : alone; }
};

/// The rates of a rank with so many threads. Multiply-adds go with the threads; memory, which all cores share, is left
/// as it was measured.
RankRates with_threads(const MachineProfile& machine, bool several_ranks, int threads);

/// A sentence where other programs had the processors while the machine was measured, so that its rates are too low;
/// else empty.
std::string busy_note(const MachineProfile& profile);

std::string to_json(const MachineProfile& profile);
/// `name` stands for the file in messages. Throws Error for text that is no whole profile.
MachineProfile parse_machine_profile(std::string_view json, const std::string& name);

/// $TEMPER_MACHINE_PROFILE, else temper/machine.json in $XDG_CONFIG_HOME, else in ~/.config.
std::filesystem::path default_machine_profile_path();
/// Throws Error if there is none or it is damaged.
MachineProfile read_machine_profile(const std::filesystem::path& file);
/// The default one, where there is one. Throws Error if it is damaged.
std::optional<MachineProfile> find_machine_profile();

/// Seconds that a call would take at the peak rates: by its operations or its bytes, whichever needs longer.
double roof_seconds(const RankRates& rates, const KernelWork& work);

/// Seconds of a call by the measured calls of the same kernel and type: the rate at the call's size, between two sizes
/// along the logarithm. Products and attention go by operations, all others by bytes; a kernel that was not measured
/// goes by the roof.
double call_seconds(const RankRates& rates, const KernelId& kernel, const KernelWork& work);

}  // namespace temper
