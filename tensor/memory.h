// Memory of a device. Activations of a training step have the same sizes as those of the step before, more or less,
// so freed blocks are kept by size class and handed out again: after the first steps nothing is asked of the system.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

namespace temper {

class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  virtual ~Memory() = default;

  /// A block of at least `bytes` bytes, aligned to 64; its content is unspecified. Throws Error when memory runs out.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Takes back a block that allocate(bytes) of this object gave.
  virtual void release(void* block, std::size_t bytes) noexcept = 0;
};

struct MemoryUse {
  std::size_t in_use = 0;  ///< bytes handed out now
  std::size_t peak = 0;    ///< most bytes ever handed out at once
  std::size_t held = 0;    ///< bytes held from the system, handed out or kept for reuse
};

class HostMemory final : public Memory {
 public:
  HostMemory() = default;
  ~HostMemory() override;

  void* allocate(std::size_t bytes) override;
  void release(void* block, std::size_t bytes) noexcept override;
  [[nodiscard]] MemoryUse use() const;
  void reset_peak();

  /// Sizes are rounded up to a quarter of their power of two, so that token counts that differ a little share blocks.
  static std::size_t size_class(std::size_t bytes);

 private:
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> kept_;
  MemoryUse use_;
};

}  // namespace temper
