#include "tensor/device.h"

#include <omp.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/allowed_cpus.h"
#include "base/error.h"
#include "tensor/float16.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/matmul/multiply_add_loop.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"

namespace temper {
namespace {

/// From now on this thread, and those that it starts, flush denormals to zero (FTZ and DAZ), read or computed. The
/// tails of GELU and of softmax are full of them, and some processors take a hundred times as long.
void flush_denormal_numbers() {
#if defined(__SSE__)
  constexpr unsigned kFlushToZero = 0x8000;
  constexpr unsigned kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#elif defined(__aarch64__)
  constexpr std::uint64_t kFlushToZero = std::uint64_t{1} << 24;
  std::uint64_t control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" : : "r"(control | kFlushToZero));
#endif
}

class CpuDevice final : public Device {
 public:
  CpuDevice() { flush_denormal_numbers(); }

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cpu; }
  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] bool shares_host_memory() const override { return true; }
  [[nodiscard]] std::string arithmetic() const override { return cpu_arithmetic(); }
  [[nodiscard]] std::string instruction_set() const override { return instruction_set_in_use(); }
  [[nodiscard]] double run_multiply_adds(DType type) override { return temper::run_multiply_adds(type); }
  [[nodiscard]] Memory& memory() override { return memory_; }
  [[nodiscard]] std::int64_t peak_memory_bytes() const override {
    return static_cast<std::int64_t>(memory_.use().peak);
  }
  [[nodiscard]] bool has_bf16() const override { return processor_multiplies_bf16(); }
  [[nodiscard]] Tensor zeros(const Shape& shape, DType type) override {
    const std::size_t bytes = size_of(type, shape.elements());
    return Tensor::of_block(memory_, memory_.allocate_zeroed(bytes), shape, type);
  }
  void upload(const void* from, void* to, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void download(const void* from, void* to, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void synchronize() override {}

 private:
  [[nodiscard]] Kernels& plain_kernels() override { return kernels_; }

  CpuKernels kernels_;
  HostMemory memory_;
};

}  // namespace

Tensor Device::zeros(const Shape& shape, DType type) {
  const Tensor tensor = Tensor::empty(memory(), shape, type);
  kernels().run(calls::Clear{.data = tensor.bytes(), .bytes = tensor.size_bytes()});
  return tensor;
}

std::vector<float> Device::download_as_f32(const Tensor& tensor) {
  if (tensor.type() == DType::f32) return download<float>(tensor);
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  if (is_quantized(tensor.type())) {  // which the host alone has
    kernels().run(calls::Copy{.x = tensor.as_rows(),
                              .y = Matrix{values.data(), tensor.rows(), tensor.columns(), tensor.columns()}});
    return values;
  }
  const auto widen = [&](const auto& stored) {
    std::transform(stored.begin(), stored.end(), values.begin(), [](auto value) { return to_float(value); });
  };
  if (tensor.type() == DType::f16) {
    widen(download<Float16>(tensor));
  } else {
    widen(download<BFloat16>(tensor));
  }
  return values;
}

std::unique_ptr<CudaGraph> Device::record(const std::function<void()>& /*work*/) {
  throw Error("{} was asked to record work, which it cannot", name());
}

void Device::time_kernels(Timeline* timeline) {
  timed_ = std::make_unique<TimedKernels>(
      plain_kernels(), [this] { synchronize(); }, shares_host_memory());
  timed_->set_timeline(timeline);
}

std::vector<KernelTime> Device::kernel_times() const { return timed_ ? timed_->times() : std::vector<KernelTime>(); }

void Device::forget_kernel_times() {
  if (timed_) timed_->forget_times();
}

std::unique_ptr<Device> make_cpu_device() { return std::make_unique<CpuDevice>(); }

void set_cpu_threads(int threads) { omp_set_num_threads(std::max(1, threads)); }

int cpu_threads() { return omp_get_max_threads(); }

std::vector<std::uint64_t> process_cpus() {
  std::vector<std::uint64_t> words;
  for (int place = 0; place < omp_get_num_places(); ++place) {
    std::vector<int> cpus(static_cast<std::size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, cpus.data());
    for (const int cpu : cpus) {
      const auto bit = static_cast<std::size_t>(cpu);
      words.resize(std::max(words.size(), bit / 64 + 1));
      words[bit / 64] |= std::uint64_t{1} << bit % 64;
    }
  }
  return words.empty() ? allowed_cpus() : words;
}

int default_cpu_threads(int local_ranks) {
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  int allowed = 0;
  for (const std::uint64_t word : process_cpus()) allowed += std::popcount(word);
  return std::max(1, std::min(allowed > 0 ? allowed : cores, cores / std::max(1, local_ranks)));
}

}  // namespace temper
