#include "tests/simt/device_heap.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "tests/simt/report.h"
#include "tests/simt/sanitizers.h"

namespace simt {

#ifdef TEMPER_ADDRESS_SANITIZER

void* take_device_block(std::size_t bytes) {
  void* block = nullptr;
  if (posix_memalign(&block, 256, std::max<std::size_t>(bytes, 1)) != 0) return nullptr;
  std::memset(block, 0xFF, bytes);
  return block;
}
void give_device_block(void* block, std::size_t /*bytes*/) { std::free(block); }
DeviceAccess::DeviceAccess() = default;
DeviceAccess::~DeviceAccess() = default;

#else

namespace {

constexpr std::size_t kRegionBytes = std::size_t{1} << 38U;
constexpr std::size_t kAlignment = 256;
// A huge page: opening and shutting it takes no longer than that of a small one.
constexpr std::size_t kPage = std::size_t{1} << 21U;

std::size_t rounded(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

class Heap {
 public:
  Heap() {
    void* const region =
        mmap(nullptr, kRegionBytes + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) fail("no address space for the device's memory");
    region_ = static_cast<std::byte*>(region);
    region_ += rounded(reinterpret_cast<std::uintptr_t>(region), kPage) - reinterpret_cast<std::uintptr_t>(region);
    (void)madvise(region_, kRegionBytes, MADV_HUGEPAGE);
    struct sigaction action {};
    action.sa_sigaction = &Heap::explain;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &previous());
  }

  void* take(std::size_t wanted) {
    const std::size_t bytes = rounded(std::max<std::size_t>(wanted, 1), kAlignment);
    // The smallest gap that it fits into, else behind everything.
    auto best = gaps_.end();
    for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap)
      if (gap->second >= bytes && (best == gaps_.end() || gap->second < best->second)) best = gap;
    if (best == gaps_.end()) {
      if (end_ + bytes > kRegionBytes) return nullptr;
      std::byte* const block = region_ + end_;
      end_ += bytes;
      if (end_ > reached_) {
        reached_ = rounded(end_, kPage);
        if (open_ > 0) protect(PROT_READ | PROT_WRITE);
      }
      fill(block, bytes);
      return block;
    }
    const auto [begin, size] = *best;
    gaps_.erase(best);
    if (size > bytes) gaps_[begin + bytes] = size - bytes;
    return region_ + begin;
  }

  void give(void* block, std::size_t given) {
    auto begin = static_cast<std::size_t>(static_cast<std::byte*>(block) - region_);
    std::size_t size = rounded(std::max<std::size_t>(given, 1), kAlignment);
    fill(region_ + begin, size);
    auto after = gaps_.lower_bound(begin);
    if (after != gaps_.end() && after->first == begin + size) {
      size += after->second;
      after = gaps_.erase(after);
    }
    if (after != gaps_.begin() && std::prev(after)->first + std::prev(after)->second == begin) {
      begin = std::prev(after)->first;
      size += std::prev(after)->second;
      gaps_.erase(std::prev(after));
    }
    if (begin + size == end_)
      end_ = begin;
    else
      gaps_[begin] = size;
  }

  void open() {
    if (open_++ > 0) return;
    protect(PROT_READ | PROT_WRITE);
    fill_all();
  }
  void shut() {
    if (--open_ == 0) protect(PROT_NONE);
  }

 private:
  /// Whatever is no block is full of NaNs, at the latest when work runs.
  void fill(std::byte* begin, std::size_t bytes) {
    unfilled_.emplace_back(begin, bytes);
    if (open_ > 0) fill_all();
  }
  void fill_all() {
    for (const auto& [begin, bytes] : unfilled_) std::memset(begin, 0xFF, bytes);
    unfilled_.clear();
  }
  void protect(int access) {
    if (reached_ > 0 && mprotect(region_, reached_, access) != 0) fail("mprotect of the device's memory failed");
  }

  static struct sigaction& previous() {
    static struct sigaction action {};
    return action;
  }
  static void explain(int signal, siginfo_t* what, void* context);

  std::byte* region_ = nullptr;
  std::size_t end_ = 0;      ///< of the last block
  std::size_t reached_ = 0;  ///< the end of the pages that were ever in use
  int open_ = 0;
  std::map<std::size_t, std::size_t> gaps_;                    ///< begin -> size, between blocks; no two of them touch
  std::vector<std::pair<std::byte*, std::size_t> > unfilled_;  ///< since memory was last open
};

Heap& heap() {
  // Never destroyed: device memory may be given back by destructors that run later.
  static Heap& heap = *new Heap;
  return heap;
}

void Heap::explain(int signal, siginfo_t* what, void* context) {
  const auto* const place = static_cast<std::byte*>(what->si_addr);
  const std::byte* const region = heap().region_;
  if (place >= region && place < region + kRegionBytes) {
    constexpr char kText[] =
        "simt: the host touched memory of the device, or a kernel did beyond the end of all blocks\n";
    (void)!write(STDERR_FILENO, kText, sizeof(kText) - 1);
    std::abort();
  }
  const struct sigaction& before = previous();
  if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr)
    return before.sa_sigaction(signal, what, context);
  // Back to what it was: the access faults once more.
  sigaction(signal, &before, nullptr);
}

}  // namespace

void* take_device_block(std::size_t bytes) { return heap().take(bytes); }
void give_device_block(void* block, std::size_t bytes) { heap().give(block, bytes); }
DeviceAccess::DeviceAccess() { heap().open(); }
DeviceAccess::~DeviceAccess() { heap().shut(); }

#endif

}  // namespace simt
