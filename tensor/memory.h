// Device memory. The activations of a training step are allocated and freed in nearly the same order in every step, so
// they are cut from one region by best fit and returned to it: after the largest step no more memory is requested from
// the system.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <set>

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
  /// Returns unused memory to the system.
  virtual void trim() noexcept = 0;
};

struct MemoryUse {
  std::size_t in_use = 0;  ///< bytes handed out now
  std::size_t peak = 0;    ///< most bytes ever handed out at once
  std::size_t held = 0;    ///< bytes up to the end of the highest block ever handed out
};

/// One region of address space, of which only what has been touched takes memory; on huge pages where the system has
/// them.
class HostMemory final : public Memory {
 public:
  HostMemory() = default;
  ~HostMemory() override;

  void* allocate(std::size_t bytes) override;
  /// The same, of zero bytes. What was never handed out before is zero as the system gives it, and is not touched.
  void* allocate_zeroed(std::size_t bytes);
  void release(void* block, std::size_t bytes) noexcept override;
  void trim() noexcept override;
  [[nodiscard]] MemoryUse use() const;
  void reset_peak();

 private:
  std::byte* take(std::size_t bytes);
  void reserve();
  void grow(std::size_t end);
  void add_free(std::size_t begin, std::size_t size);
  void remove_free(std::map<std::size_t, std::size_t>::iterator block);

  mutable std::mutex mutex_;
  std::byte* region_ = nullptr;
  std::size_t reserved_ = 0;                               ///< bytes of address space
  std::size_t usable_ = 0;                                 ///< bytes that may be touched
  std::map<std::size_t, std::size_t> free_;                ///< begin -> size; no two of them touch
  std::set<std::pair<std::size_t, std::size_t>> by_size_;  ///< the same as (size, begin)
  MemoryUse use_;
};

}  // namespace temper
