#include "tensor/kernels/cuda/pinned_ring.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <exception>

#include "tensor/kernels/cuda/cuda_status.h"

namespace temper {

bool has_come(cudaEvent_t event) {
  const cudaError_t status = cudaEventQuery(event);
  if (status == cudaErrorNotReady) return false;
  check_cuda(status, "work on the GPU");
  return true;
}

PinnedRing::~PinnedRing() {
  // After an error, copies may be under way that nobody waits for any more: the process ends, and its memory with it.
  if (std::uncaught_exceptions() > 0) return;
  for (const Buffer& buffer : buffers_) {
    if (buffer.copied != nullptr) (void)cudaEventDestroy(buffer.copied);
    if (buffer.bytes != nullptr) (void)cudaFreeHost(buffer.bytes);
  }
}

PinnedRing::Buffer& PinnedRing::next(const Wait& wait) {
  Buffer& buffer = buffers_[turn_++ % buffers_.size()];
  if (buffer.bytes == nullptr) {
    void* bytes = nullptr;
    check_cuda(cudaHostAlloc(&bytes, kBufferBytes, cudaHostAllocDefault), "cudaHostAlloc");
    buffer.bytes = static_cast<std::byte*>(bytes);
    check_cuda(cudaEventCreateWithFlags(&buffer.copied, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  } else {
    wait([&] { return has_come(buffer.copied); });
  }
  return buffer;
}

void PinnedRing::upload(const void* from, void* to, std::size_t bytes, cudaStream_t stream, const Wait& wait) {
  for (std::size_t done = 0; done < bytes; done += kBufferBytes) {
    const std::size_t part = std::min(kBufferBytes, bytes - done);
    const Buffer& buffer = next(wait);
    std::memcpy(buffer.bytes, static_cast<const std::byte*>(from) + done, part);
    check_cuda(cudaMemcpyAsync(static_cast<std::byte*>(to) + done, buffer.bytes, part, cudaMemcpyHostToDevice, stream),
               "a copy to the GPU");
    check_cuda(cudaEventRecord(buffer.copied, stream), "cudaEventRecord");
  }
}

void PinnedRing::download(const void* from, void* to, std::size_t bytes, cudaStream_t stream, const Wait& wait) {
  struct Copy {
    const Buffer* buffer;
    std::size_t begin;
    std::size_t size;
  };
  std::deque<Copy> under_way;
  const auto deliver = [&] {
    const Copy copy = under_way.front();
    under_way.pop_front();
    wait([&] { return has_come(copy.buffer->copied); });
    std::memcpy(static_cast<std::byte*>(to) + copy.begin, copy.buffer->bytes, copy.size);
  };
  for (std::size_t begin = 0; begin < bytes; begin += kBufferBytes) {
    if (under_way.size() == buffers_.size()) deliver();
    const std::size_t part = std::min(kBufferBytes, bytes - begin);
    const Buffer& buffer = next(wait);
    check_cuda(
        cudaMemcpyAsync(buffer.bytes, static_cast<const std::byte*>(from) + begin, part, cudaMemcpyDeviceToHost, stream),
        "a copy from the GPU");
    check_cuda(cudaEventRecord(buffer.copied, stream), "cudaEventRecord");
    under_way.push_back({&buffer, begin, part});
  }
  while (!under_way.empty()) deliver();
}

}  // namespace temper
