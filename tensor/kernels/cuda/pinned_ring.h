// Copies between pageable host memory and a GPU: a ring of pinned buffers, so that copies run asynchronously while the
// host continues.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <functional>

namespace temper {

class PinnedRing {
 public:
  /// How the host waits for an event of the device: returns once `done` says so, or throws.
  using Wait = std::function<void(const std::function<bool()>& done)>;

  PinnedRing() = default;
  PinnedRing(const PinnedRing&) = delete;
  PinnedRing& operator=(const PinnedRing&) = delete;
  ~PinnedRing();

  /// `from` may be changed as soon as this returns; the copy takes its place in the stream.
  void upload(const void* from, void* to, std::size_t bytes, cudaStream_t stream, const Wait& wait);
  /// Returns once `to` holds what `from` holds behind the stream's work so far.
  void download(const void* from, void* to, std::size_t bytes, cudaStream_t stream, const Wait& wait);

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{4} << 20;
  struct Buffer {
    std::byte* bytes = nullptr;
    cudaEvent_t copied = nullptr;
  };
  /// The next buffer, free again.
  Buffer& next(const Wait& wait);

  std::array<Buffer, 4> buffers_;
  std::size_t turn_ = 0;
};

/// True once the event has come. Throws Error if what came before it failed.
bool has_come(cudaEvent_t event);

}  // namespace temper
