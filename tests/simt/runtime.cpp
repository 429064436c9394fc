// The CUDA runtime API over the emulated device: devices, memory, copies and launches.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "simt/runtime_api.h"
#include "tests/simt/block.h"
#include "tests/simt/device_heap.h"
#include "tests/simt/device_memory.h"
#include "tests/simt/report.h"
#include "tests/simt/stream.h"

namespace simt {
namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

struct Gpus {
  int count = [] {
    const char* const wanted = std::getenv("TEMPER_SIMT_DEVICES");
    return wanted != nullptr ? std::atoi(wanted) : 8;
  }();
  int current = 0;
  int major = 9;
  int minor = 0;
  cudaError_t last_error = cudaSuccess;
  std::uint64_t release_threshold = 0;
  std::map<const void*, std::size_t> shared_allowed;  ///< by kernel, what cudaFuncSetAttribute granted
};

Gpus& gpus() {
  static Gpus gpus;
  return gpus;
}

std::size_t most_shared() { return gpus().major >= 9 ? kMostSharedBytes : std::size_t{163} * 1024; }

/// What a kernel may use without opting in.
constexpr std::size_t kFreeShared = 48 * 1024;

void copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memmove(to, from, bytes);
}

/// A call that a real device runs through on the host's side, which ends every recording.
cudaError_t refuse_while_anything_records() {
  return anything_recording() ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

}  // namespace

cudaError_t noted(cudaError_t error) {
  if (error != cudaSuccess) gpus().last_error = error;
  return error;
}

cudaError_t device_error() { return gpus().count > 0 ? cudaSuccess : cudaErrorNoDevice; }

void set_device_count(int devices) {
  gpus().count = devices;
  gpus().current = 0;
}

void set_compute_capability(int major, int minor) {
  gpus().major = major;
  gpus().minor = minor;
}

void check_kernel_pointer(const void* pointer, int parameter) {
  const Lock lock(runtime_mutex());
  if (pointer == nullptr || is_device(pointer, 0) || is_pinned(pointer, 0)) return;
  fail("parameter %d of a kernel is a pointer to memory that is neither the device's nor pinned: %p", parameter,
       pointer);
}

cudaError_t set_function_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (const cudaError_t error = device_error(); error != cudaSuccess) return noted(error);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > most_shared()) return noted(cudaErrorInvalidValue);
  gpus().shared_allowed[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

cudaError_t enqueue_kernel(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> thread) {
  if (const cudaError_t error = device_error(); error != cudaSuccess) return noted(error);
  const Grid grid{config.gridDim, config.blockDim, config.dynamicSmemBytes};
  check_grid(grid);
  const auto allowed = gpus().shared_allowed.find(kernel);
  if (grid.shared_bytes > (allowed == gpus().shared_allowed.end() ? kFreeShared : allowed->second))
    return noted(cudaErrorInvalidValue);
  return enqueue_once(config.stream, [grid, thread = std::move(thread)] { run_grid(grid, thread); });
}

}  // namespace simt

using simt::Lock;
using simt::noted;

namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr std::array kErrors{
    ErrorText{cudaSuccess, "cudaSuccess", "no error"},
    ErrorText{cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    ErrorText{cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    ErrorText{cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    ErrorText{cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    ErrorText{cudaErrorInvalidDevicePointer, "cudaErrorInvalidDevicePointer", "invalid device pointer"},
    ErrorText{cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
              "CUDA driver version is insufficient for CUDA runtime version"},
    ErrorText{cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    ErrorText{cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    ErrorText{cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    ErrorText{cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    ErrorText{cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    ErrorText{cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    ErrorText{cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
              "operation not permitted when stream is capturing"},
    ErrorText{cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
              "operation failed due to a previous error during capture"},
    ErrorText{cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
              "operation would result in a merge of captures"},
    ErrorText{cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
              "capture was not ended in its stream"},
    ErrorText{cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    ErrorText{cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
              "dependency created on uncaptured work in another stream"},
    ErrorText{cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
              "operation not permitted on an event last recorded in a capturing stream"},
};

ErrorText text_of(cudaError_t error) {
  for (const ErrorText& entry : kErrors)
    if (entry.error == error) return entry;
  return {error, "cudaErrorUnknown", "unknown error"};
}

enum class Place { device, pinned, pageable };

Place place_of(const void* block, std::size_t bytes) {
  if (simt::is_device(block, bytes)) return Place::device;
  return simt::is_pinned(block, bytes) ? Place::pinned : Place::pageable;
}

bool agrees(cudaMemcpyKind kind, bool from_device, bool to_device) {
  if (kind == cudaMemcpyDefault) return true;
  return from_device == (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice) &&
         to_device == (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice);
}

}  // namespace

// ---- errors --------------------------------------------------------------------------------------------------------
const char* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return text_of(error).text; }
cudaError_t cudaGetLastError() { return std::exchange(simt::gpus().last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return simt::gpus().last_error; }

// ---- devices -------------------------------------------------------------------------------------------------------
cudaError_t cudaGetDeviceCount(int* count) {
  *count = simt::gpus().count;
  return noted(simt::device_error());
}

cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  if (device < 0 || device >= simt::gpus().count) return noted(cudaErrorInvalidDevice);
  simt::gpus().current = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = simt::gpus().current;
  return noted(simt::device_error());
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  if (device < 0 || device >= simt::gpus().count) return noted(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name), "emulated GPU");
  properties->major = simt::gpus().major;
  properties->minor = simt::gpus().minor;
  // Few, so that grids which stride over their work do so in tests.
  properties->multiProcessorCount = 4;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = static_cast<int>(simt::kMostThreads);
  properties->totalGlobalMem = simt::device_memory_bytes();
  properties->sharedMemPerBlock = simt::kFreeShared;
  properties->sharedMemPerBlockOptin = simt::most_shared();
  properties->sharedMemPerMultiprocessor = simt::most_shared() + 1024;
  properties->pciBusID = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(properties.sharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(properties.sharedMemPerMultiprocessor);
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      return cudaSuccess;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      return cudaSuccess;
  }
  return noted(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  std::snprintf(id, static_cast<std::size_t>(length), "0000:%02X:00.0", static_cast<unsigned>(device));
  return noted(simt::device_error());
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = simt::gpus().count > 0 ? CUDART_VERSION : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  if (const cudaError_t error = simt::refuse_while_anything_records(); error != cudaSuccess) return noted(error);
  simt::finish_all();
  return cudaSuccess;
}

// ---- memory --------------------------------------------------------------------------------------------------------
cudaError_t cudaMalloc(void** block, std::size_t bytes) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  if (const cudaError_t error = simt::refuse_while_anything_records(); error != cudaSuccess) return noted(error);
  *block = nullptr;
  if (bytes == 0) return cudaSuccess;
  *block = simt::allocate_device(bytes);
  return noted(*block != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* block) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  if (const cudaError_t error = simt::refuse_while_anything_records(); error != cudaSuccess) return noted(error);
  simt::finish_all();
  if (block == nullptr) return cudaSuccess;
  return noted(simt::release_device(block) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocAsync(void** block, std::size_t bytes, cudaStream_t name) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  *block = nullptr;
  if (bytes == 0) return cudaSuccess;
  *block = simt::allocate_device(bytes);
  if (*block == nullptr) return noted(cudaErrorMemoryAllocation);
  if (stream->recording != nullptr) stream->recording->memory->keep(*block);
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void* block, cudaStream_t name) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  if (block == nullptr) return cudaSuccess;
  if (stream->recording != nullptr) {
    // A graph can give back only what it took.
    if (!stream->recording->memory->keeps(block)) return noted(cudaErrorInvalidValue);
    const std::size_t bytes = simt::device_block_bytes(block);
    return simt::enqueue_once(name, [block, bytes] { std::memset(block, 0xFF, bytes); });
  }
  if (!simt::retire_device(block)) return noted(cudaErrorInvalidValue);
  return simt::enqueue_once(name, [block] { simt::release_device(block); });
}

cudaError_t cudaMallocFromPoolAsync(void** block, std::size_t bytes, cudaMemPool_t /*pool*/, cudaStream_t stream) {
  return cudaMallocAsync(block, bytes, stream);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int /*device*/) {
  // There is one pool, and nobody looks inside.
  *pool = reinterpret_cast<cudaMemPool_t>(&simt::gpus());
  return noted(simt::device_error());
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t /*pool*/, cudaMemPoolAttr attribute, void* value) {
  const Lock lock(simt::runtime_mutex());
  if (attribute == cudaMemPoolAttrReleaseThreshold)
    std::memcpy(&simt::gpus().release_threshold, value, sizeof(std::uint64_t));
  if (attribute == cudaMemPoolAttrUsedMemHigh || attribute == cudaMemPoolAttrReservedMemHigh) {
    std::uint64_t high = 0;
    std::memcpy(&high, value, sizeof(high));
    if (high != 0) return noted(cudaErrorInvalidValue);
    simt::pool_use().high = simt::pool_use().now;
  }
  return cudaSuccess;
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t /*pool*/, cudaMemPoolAttr attribute, void* value) {
  const Lock lock(simt::runtime_mutex());
  std::uint64_t result = 0;
  switch (attribute) {
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies: {
      const int yes = 1;
      std::memcpy(value, &yes, sizeof(yes));
      return cudaSuccess;
    }
    case cudaMemPoolAttrReleaseThreshold:
      result = simt::gpus().release_threshold;
      break;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      result = simt::pool_use().now;
      break;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      result = simt::pool_use().high;
      break;
  }
  std::memcpy(value, &result, sizeof(result));
  return cudaSuccess;
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t /*pool*/, std::size_t /*bytes*/) { return noted(simt::device_error()); }

cudaError_t cudaMallocHost(void** block, std::size_t bytes) {
  return cudaHostAlloc(block, bytes, cudaHostAllocDefault);
}

cudaError_t cudaHostAlloc(void** block, std::size_t bytes, unsigned /*flags*/) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  *block = bytes == 0 ? nullptr : simt::allocate_pinned(bytes);
  return noted(*block != nullptr || bytes == 0 ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void* block) {
  const Lock lock(simt::runtime_mutex());
  if (block == nullptr) return cudaSuccess;
  return noted(simt::release_pinned(block) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Lock lock(simt::runtime_mutex());
  *total = simt::device_memory_bytes();
  *free = *total - simt::pool_use().now;
  return noted(simt::device_error());
}

// ---- copies --------------------------------------------------------------------------------------------------------
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t name) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  const Place source = place_of(from, bytes);
  const Place target = place_of(to, bytes);
  if (!agrees(kind, source == Place::device, target == Place::device)) return noted(cudaErrorInvalidValue);
  if (source == Place::pageable) {
    if (const cudaError_t error = simt::refuse_while_recording(stream.get()); error != cudaSuccess) return noted(error);
    const auto* const first = static_cast<const std::byte*>(from);
    return simt::enqueue_once(name, [to, staged = std::vector<std::byte>(first, first + bytes)] {
      simt::copy(to, staged.data(), staged.size());
    });
  }
  if (target == Place::pageable) {
    if (const cudaError_t error = simt::refuse_while_recording(stream.get()); error != cudaSuccess) return noted(error);
    simt::finish(*stream, stream->enqueued);
    const simt::DeviceAccess access;
    simt::copy(to, from, bytes);
    return cudaSuccess;
  }
  return simt::enqueue_once(name, [to, from, bytes] { simt::copy(to, from, bytes); });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr); error != cudaSuccess) return error;
  return cudaStreamSynchronize(nullptr);
}

cudaError_t cudaMemsetAsync(void* block, int value, std::size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  if (bytes == 0) return cudaSuccess;
  if (place_of(block, bytes) == Place::pageable) return noted(cudaErrorInvalidValue);
  return simt::enqueue_once(stream, [block, value, bytes] { std::memset(block, value, bytes); });
}

cudaError_t cudaMemset(void* block, int value, std::size_t bytes) {
  return cudaMemsetAsync(block, value, bytes, nullptr);
}

cudaError_t cudaMemset2DAsync(void* block, std::size_t pitch, int value, std::size_t width, std::size_t height,
                              cudaStream_t stream) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  if (width == 0 || height == 0) return cudaSuccess;
  if (width > pitch) return noted(cudaErrorInvalidValue);
  if (place_of(block, (height - 1) * pitch + width) == Place::pageable) return noted(cudaErrorInvalidValue);
  return simt::enqueue_once(stream, [block, pitch, value, width, height] {
    for (std::size_t row = 0; row < height; ++row)
      std::memset(static_cast<std::byte*>(block) + row * pitch, value, width);
  });
}
