#include "tensor/memory.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/page_size.h"

namespace temper {

namespace {

constexpr std::size_t kBlockAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kGrowth = std::size_t{64} << 20;
constexpr std::size_t kLeastReserve = std::size_t{1} << 30;

std::size_t rounded_up(std::size_t value, std::size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// A line is left between blocks: buffers of a power of two then do not all fall into the same sets of the cache, and
/// AddressSanitizer sees who writes behind the end of one.
std::size_t size_of_block(std::size_t bytes) {
  return rounded_up(std::max<std::size_t>(bytes, 1), kBlockAlignment) + 64;
}

}  // namespace

HostMemory::~HostMemory() {
  if (region_ == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(region_, usable_);
  ::munmap(region_, reserved_);
}

void HostMemory::reserve() {
  const auto installed = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * page_size();
  // A limit on address space (ulimit -v) may allow less than this.
  for (reserved_ = rounded_up(2 * installed, kHugePage); reserved_ >= kLeastReserve;
       reserved_ = rounded_up(reserved_ / 2, kHugePage)) {
    void* region = ::mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) continue;
    region_ = static_cast<std::byte*>(region);
    ::madvise(region_, reserved_, MADV_HUGEPAGE);
    add_free(0, reserved_);
    return;
  }
  throw Error("out of memory: no address space for tensors; is it limited (ulimit -v)?");
}

void HostMemory::grow(std::size_t end) {
  use_.held = std::max(use_.held, end);
  if (end <= usable_) return;
  const std::size_t wanted = std::min(rounded_up(end, kGrowth), reserved_);
  if (::mprotect(region_ + usable_, wanted - usable_, PROT_READ | PROT_WRITE) != 0)
    throw Error(
        "out of memory: the system refused {} MiB for tensors; lower train.batch_size or raise "
        "train.gradient_accumulation",
        wanted >> 20);
  ASAN_POISON_MEMORY_REGION(region_ + usable_, wanted - usable_);
  usable_ = wanted;
}

void HostMemory::add_free(std::size_t begin, std::size_t size) {
  free_.emplace(begin, size);
  by_size_.emplace(size, begin);
}

void HostMemory::remove_free(std::map<std::size_t, std::size_t>::iterator block) {
  by_size_.erase({block->second, block->first});
  free_.erase(block);
}

void* HostMemory::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  return take(bytes);
}

void* HostMemory::allocate_zeroed(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::size_t ever_used = use_.held;
  std::byte* block = take(bytes);
  const auto begin = static_cast<std::size_t>(block - region_);
  if (begin < ever_used) std::memset(block, 0, std::min(bytes, ever_used - begin));
  return block;
}

std::byte* HostMemory::take(std::size_t bytes) {
  const std::size_t size = size_of_block(bytes);
  if (region_ == nullptr) reserve();
  // The tightest hole, and of equal ones the lowest; what was never touched is the largest of all, so it comes last.
  const auto fit = by_size_.lower_bound({size, 0});
  if (fit == by_size_.end())
    throw Error(
        "out of memory: {} bytes were asked for while {} are in use; lower train.batch_size or raise "
        "train.gradient_accumulation",
        size, use_.in_use);
  const auto [hole, begin] = *fit;
  grow(begin + size);
  remove_free(free_.find(begin));
  if (hole > size) add_free(begin + size, hole - size);
  use_.in_use += size;
  use_.peak = std::max(use_.peak, use_.in_use);
  ASAN_UNPOISON_MEMORY_REGION(region_ + begin, bytes);
  return region_ + begin;
}

void HostMemory::release(void* block, std::size_t bytes) noexcept {
  std::size_t size = size_of_block(bytes);
  const std::lock_guard lock(mutex_);
  auto begin = static_cast<std::size_t>(static_cast<std::byte*>(block) - region_);
  ASAN_POISON_MEMORY_REGION(block, size);
  use_.in_use -= size;
  const auto next = free_.lower_bound(begin);
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == begin) {
      begin = previous->first;
      size += previous->second;
      remove_free(previous);
    }
  }
  if (const auto after = free_.find(begin + size); after != free_.end()) {
    size += after->second;
    remove_free(after);
  }
  add_free(begin, size);
}

void HostMemory::trim() noexcept {
  const std::lock_guard lock(mutex_);
  for (const auto& [begin, size] : free_) {
    const std::size_t first = whole_pages(begin);
    const std::size_t last = std::min(begin + size, usable_) / page_size() * page_size();
    if (first < last) ::madvise(region_ + first, last - first, MADV_DONTNEED);
  }
}

MemoryUse HostMemory::use() const {
  const std::lock_guard lock(mutex_);
  return use_;
}

void HostMemory::reset_peak() {
  const std::lock_guard lock(mutex_);
  use_.peak = use_.in_use;
}

}  // namespace temper
