// The GPU of one rank: its two streams, its memory and its kernels.
#include "tensor/cuda_device.h"

#include <cuda_runtime.h>

#include <exception>
#include <string>
#include <thread>

#include "base/error.h"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/cuda_memory.h"
#include "tensor/kernels/cuda/cuda_status.h"
#include "tensor/kernels/cuda/pinned_ring.h"

namespace temper {
namespace {

// The least that the kernels are compiled for: bf16 on the tensor cores, asynchronous copies to shared memory.
constexpr int kLeastMajor = 8;

cudaDeviceProp properties_of(int device) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return properties;
}

class Stream {
 public:
  explicit Stream(int priority) {
    check_cuda(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, priority), "cudaStreamCreateWithPriority");
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { (void)cudaStreamDestroy(stream_); }
  [[nodiscard]] cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags"); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { (void)cudaEventDestroy(event_); }
  [[nodiscard]] cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

class Graph final : public CudaGraph {
 public:
  Graph(cudaStream_t stream, const std::function<void()>& work) : stream_(stream) {
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      (void)cudaStreamEndCapture(stream, &graph);
      if (graph != nullptr) (void)cudaGraphDestroy(graph);
      throw;
    }
    check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    const cudaError_t made = cudaGraphInstantiate(&executable_, graph, 0);
    (void)cudaGraphDestroy(graph);
    check_cuda(made, "cudaGraphInstantiate");
  }
  ~Graph() override {
    if (executable_ != nullptr) (void)cudaGraphExecDestroy(executable_);
  }
  void replay() override { check_cuda(cudaGraphLaunch(executable_, stream_), "cudaGraphLaunch"); }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
};

/// Makes the device current before the members are made on it.
int made_current(int device) {
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  return device;
}

/// Communication goes before computation where both could run: it is what others wait for.
int communication_priority() {
  int least = 0;
  int greatest = 0;
  check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
  return greatest;
}

class Gpu final : public CudaDevice {
 public:
  explicit Gpu(int device)
      : device_(made_current(device)),
        name_(static_cast<const char*>(properties_of(device).name)),
        compute_(0),
        communication_(communication_priority()),
        memory_(device, compute_.get()),
        communication_memory_(device, communication_.get()),
        kernels_(compute_.get(), memory_),
        communication_kernels_(communication_.get(), communication_memory_) {}
  ~Gpu() override {
    // After an error, work that waits for a lost rank would never end.
    if (std::uncaught_exceptions() == 0) (void)cudaDeviceSynchronize();
  }

  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] Memory& memory() override { return memory_; }
  [[nodiscard]] std::int64_t peak_memory_bytes() const override { return memory_.peak_bytes(); }
  [[nodiscard]] bool has_bf16() const override { return true; }

  void upload(const void* from, void* to, std::size_t bytes) override {
    ring_.upload(from, to, bytes, compute_.get(), [this](const auto& done) { wait_(done, "a copy to the GPU"); });
  }
  void download(const void* from, void* to, std::size_t bytes) override {
    ring_.download(from, to, bytes, compute_.get(), [this](const auto& done) { wait_(done, "work on the GPU"); });
  }
  void synchronize() override {
    check_cuda(cudaEventRecord(reached_.get(), compute_.get()), "cudaEventRecord");
    wait_([this] { return has_come(reached_.get()); }, "work on the GPU");
  }

  [[nodiscard]] CudaStream compute_stream() const override { return compute_.get(); }
  [[nodiscard]] CudaStream communication_stream() const override { return communication_.get(); }
  [[nodiscard]] Kernels& communication_kernels() override { return communication_kernels_; }
  void communication_waits_for_compute() override { let_wait(communication_.get(), compute_.get()); }
  void compute_waits_for_communication() override { let_wait(compute_.get(), communication_.get()); }
  [[nodiscard]] bool communication_is_done() override {
    const cudaError_t status = cudaStreamQuery(communication_.get());
    if (status == cudaErrorNotReady) return false;
    check_cuda(status, "communication between GPUs");
    return true;
  }
  [[nodiscard]] std::unique_ptr<CudaGraph> record(const std::function<void()>& work) override {
    return std::make_unique<Graph>(compute_.get(), work);
  }
  void set_wait(Wait wait) override { wait_ = wait ? std::move(wait) : Wait(poll); }

 private:
  [[nodiscard]] Kernels& plain_kernels() override { return kernels_; }
  static void poll(const std::function<bool()>& done, const char* /*what*/) {
    while (!done()) std::this_thread::yield();
  }
  void let_wait(cudaStream_t waiting, cudaStream_t awaited) {
    check_cuda(cudaEventRecord(reached_.get(), awaited), "cudaEventRecord");
    check_cuda(cudaStreamWaitEvent(waiting, reached_.get(), 0), "cudaStreamWaitEvent");
  }

  int device_;
  std::string name_;
  Stream compute_;
  Stream communication_;
  Event reached_;
  CudaMemory memory_;
  CudaMemory communication_memory_;
  PinnedRing ring_;
  CudaKernels kernels_;
  CudaKernels communication_kernels_;
  Wait wait_ = poll;
};

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

CudaAvailability cuda_availability() {
  CudaAvailability found;
  found.built = true;
  int runtime = 0;
  int driver = 0;
  (void)cudaRuntimeGetVersion(&runtime);
  (void)cudaDriverGetVersion(&driver);
  found.versions = fmt::format("{} (driver {})", version_text(runtime), driver > 0 ? version_text(driver) : "none");
  const cudaError_t status = cudaGetDeviceCount(&found.devices);
  if (status != cudaSuccess || found.devices == 0) {
    found.devices = 0;
    // The status is kept by the runtime until it is asked for.
    (void)cudaGetLastError();
    found.unusable = driver == 0 ? "no NVIDIA driver"
                     : status == cudaErrorInsufficientDriver
                         ? "the NVIDIA driver is older than CUDA " + version_text(runtime)
                     : status == cudaErrorNoDevice || status == cudaSuccess ? "the driver shows no GPU"
                                                                            : cudaGetErrorString(status);
    return found;
  }
  for (int device = 0; device < found.devices; ++device)
    if (const cudaDeviceProp properties = properties_of(device); properties.major < kLeastMajor) {
      found.unusable =
          fmt::format("{} has compute capability {}.{}, expected at least {}.0",
                      static_cast<const char*>(properties.name), properties.major, properties.minor, kLeastMajor);
      found.devices = 0;
    }
  return found;
}

std::unique_ptr<CudaDevice> make_cuda_device(int local_rank) {
  const CudaAvailability found = cuda_availability();
  if (found.devices == 0) throw Error("there is no CUDA device: {}", found.unusable);
  return std::make_unique<Gpu>(local_rank % found.devices);
}

}  // namespace temper
