// A device: its kernels, its memory, uploads and downloads. Everything that computes is given one.
//
// Note: a device does its work in order, but asynchronously. The host may read results only through `download`, or
// after `synchronize`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/cost/timed_kernels.h"
#include "tensor/kernels.h"
#include "tensor/memory.h"
#include "tensor/tensor.h"

namespace temper {

enum class DeviceKind : std::uint8_t { cpu, cuda };

/// A captured CUDA graph: work of a device that can be replayed as it was captured, with the same memory.
class CudaGraph {
 public:
  CudaGraph() = default;
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  virtual ~CudaGraph() = default;
  /// Gives it to the device, in order with its other work.
  virtual void replay() = 0;
};

class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  [[nodiscard]] virtual DeviceKind kind() const = 0;
  /// Human-readable: "cpu", or the name of the GPU.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Names what the last bits of results depend on beside a kernel's arguments, as far as that is known here: devices
  /// that say otherwise give others.
  [[nodiscard]] virtual std::string arithmetic() const { return name(); }
  /// For people: the instructions that its kernels use, "AVX2" say; empty where the name says it all.
  [[nodiscard]] virtual std::string instruction_set() const { return ""; }
  [[nodiscard]] Kernels& kernels() { return timed_ ? timed_->kernels() : plain_kernels(); }
  [[nodiscard]] virtual Memory& memory() = 0;
  /// Peak bytes of memory() in use.
  [[nodiscard]] virtual std::int64_t peak_memory_bytes() const = 0;
  /// True where the host reads and writes the device's memory as its own.
  [[nodiscard]] virtual bool shares_host_memory() const = 0;
  /// True where kernels take bf16 activations.
  [[nodiscard]] virtual bool has_bf16() const = 0;

  /// Multiplies and adds in registers alone, and returns the operations done: timed, the roof over matrix products of
  /// this type. 0 where the device does not know how.
  [[nodiscard]] virtual double run_multiply_adds(DType /*type*/) { return 0.0; }

  /// A tensor of zero bytes.
  [[nodiscard]] virtual Tensor zeros(const Shape& shape, DType type = DType::f32);

  /// Copies to the device, in order with its work. `from` may be changed as soon as this returns.
  virtual void upload(const void* from, void* to, std::size_t bytes) = 0;
  /// Copies to the host once the work given so far is done, and waits for it.
  virtual void download(const void* from, void* to, std::size_t bytes) = 0;
  /// Waits for all work. Throws Error if any of it failed.
  virtual void synchronize() = 0;

  // ---- work that is done again
  // ---------------------------------------------------------------------------------------
  [[nodiscard]] virtual bool records_work() const { return false; }
  /// Records what `work` gives to the device, which is not done meanwhile. It must not upload, download or wait, and
  /// must free what it allocates; kernels in it should have run before with the same shapes, so that nothing is
  /// prepared during the capture. Throws Error where the device does not record.
  [[nodiscard]] virtual std::unique_ptr<CudaGraph> record(const std::function<void()>& work);

  // ---- where the time goes (tensor/cost/timed_kernels.h) -----------------------------------------------------------
  /// From now on every kernel is waited for and timed. To be called before anybody is handed kernels(). Calls go to the
  /// timeline too, if one is given; it must outlive the device's use.
  void time_kernels(Timeline* timeline = nullptr);
  [[nodiscard]] bool times_kernels() const { return timed_ != nullptr; }
  /// A row for each kernel called since, the longest first; none if kernels are not timed.
  [[nodiscard]] std::vector<KernelTime> kernel_times() const;
  /// Resets the sums.
  void forget_kernel_times();

  // ---- the same for arrays and tensors -----------------------------------------------------------------------------
  template <typename T>
  [[nodiscard]] Tensor upload(std::span<const T> values, const Shape& shape) {
    Tensor tensor = Tensor::empty(memory(), shape, dtype_of<T>());
    if (!values.empty()) upload(values.data(), tensor.data<T>(), values.size_bytes());
    return tensor;
  }
  template <typename T>
  [[nodiscard]] std::vector<T> download(const Tensor& tensor) {
    std::vector<T> values(static_cast<std::size_t>(tensor.size()));
    if (!values.empty()) download(tensor.data<T>(), values.data(), values.size() * sizeof(T));
    return values;
  }
  /// A tensor of f32, bf16 or f16 as f32.
  [[nodiscard]] std::vector<float> download_as_f32(const Tensor& tensor);

 private:
  /// The kernels themselves.
  [[nodiscard]] virtual Kernels& plain_kernels() = 0;

  std::unique_ptr<TimedKernels> timed_;
};

/// The host's processor. From then on this thread, and those that it starts, flush denormals to zero (FTZ and DAZ).
std::unique_ptr<Device> make_cpu_device();
/// Sets the number of threads that the kernels of this process use from now on.
void set_cpu_threads(int threads);
int cpu_threads();
/// Bit i % 64 of word i / 64: whether threads of this process may run on CPU i. Where OpenMP binds threads
/// (OMP_PROC_BIND, OMP_PLACES), it has bound this one to its first place alone, and the process has them all; elsewhere
/// by the affinity of this thread. Empty where the system does not tell.
std::vector<std::uint64_t> process_cpus();
/// Cores that this process may run on, shared fairly among `local_ranks` ranks of the node.
int default_cpu_threads(int local_ranks);

}  // namespace temper
