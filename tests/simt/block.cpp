// Note: a fibre is no thread. A fibre runs threads of the block one after the other for as long as they come to an end
// without waiting; only a thread that waits keeps its fibre, and another fibre goes on with the rest.
#include "tests/simt/block.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "simt/device_code.h"
#include "tensor/kernels/cuda/dynamic_shared.cuh"
#include "tests/simt/fibre.h"
#include "tests/simt/report.h"

// NOLINTBEGIN: names are CUDA's
uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;
// NOLINTEND

namespace simt {
namespace {

enum class State : std::uint8_t { unstarted, running, ready, at_barrier, at_collective, exited };

struct Thread {
  uint3 index{};
  int number = 0;
  State state = State::unstarted;
  Fibre* fibre = nullptr;
  const char* what = nullptr;  ///< what it waits for
  Site site{};
  unsigned mask = 0;
};

/// Lanes of a warp on their way to one collective.
struct Meeting {
  const char* what = nullptr;
  Resolve resolve = nullptr;
  unsigned mask = 0;
  unsigned expected = 0;  ///< lanes of the mask that exist
  unsigned arrived = 0;
};

struct Warp {
  int first = 0;
  unsigned existing = 0;
  unsigned exited = 0;
  std::array<void*, 32> brought{};
  std::vector<Meeting> meetings;
};

class Machine {
 public:
  void run(const Grid& grid, const std::function<void()>& thread);
  int barrier(const char* what, Vote vote, bool predicate, Site site);
  void collective(const char* what, unsigned mask, void* mine, Resolve resolve, Site site);
  void full_collective(const char* what, void* mine, Resolve resolve, Site site);
  int number() const { return current_->number; }
  int lane() const { return current_->number % 32; }
  unsigned char* shared() const { return shared_.get(); }

 private:
  static void fibre_body();

  void prepare(const Grid& grid);
  void run_block();
  /// Runs threads on this fibre until none is left that could begin.
  void work();
  Thread* next_unstarted();
  void exit_thread();
  void wait(State state, const char* what, unsigned mask, Site site);
  void make_ready(Thread& thread);
  void enter(Thread& thread);
  /// Where to go on when this fibre cannot.
  Fibre& next_fibre();
  Warp& warp_of(const Thread& thread) { return warps_[static_cast<std::size_t>(thread.number / 32)]; }
  [[noreturn]] void report(const std::string& trouble) const;
  [[noreturn]] void report_deadlock() const;

  const std::function<void()>* body_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<Thread*> ready_;  ///< a ring
  std::size_t ready_begin_ = 0;
  std::size_t ready_count_ = 0;
  std::size_t started_ = 0;
  std::size_t exited_ = 0;
  bool descending_ = false;
  std::uint64_t blocks_run_ = 0;
  Thread* current_ = nullptr;

  std::size_t at_barrier_ = 0;
  Vote vote_ = Vote::none;
  int in_favour_ = 0;
  int result_ = 0;
  Site barrier_site_{};

  Fibre main_;
  Fibre* running_ = nullptr;
  std::vector<std::unique_ptr<Fibre>> fibres_;
  std::vector<Fibre*> idle_;

  struct Free {
    void operator()(unsigned char* block) const { std::free(block); }
  };
  std::unique_ptr<unsigned char, Free> shared_;
};

Machine& machine() {
  static Machine machine;
  return machine;
}

std::string described(const Thread& thread) {
  std::string text = "thread (" + std::to_string(thread.index.x) + ", " + std::to_string(thread.index.y) + ", " +
                     std::to_string(thread.index.z) + ")";
  switch (thread.state) {
    case State::unstarted:
      return text + " has not begun";
    case State::exited:
      return text + " has come to its end";
    case State::running:
    case State::ready:
      return text + " runs";
    case State::at_barrier:
    case State::at_collective:
      break;
  }
  text += std::string(" waits in ") + thread.what;
  if (thread.state == State::at_collective) {
    char mask[16];
    std::snprintf(mask, sizeof(mask), "0x%08X", thread.mask);
    text += std::string(" with mask ") + mask;
  }
  return text + " at " + thread.site.file + ":" + std::to_string(thread.site.line);
}

void Machine::report(const std::string& trouble) const {
  fail("%s, in block (%u, %u, %u) of %u threads", trouble.c_str(), blockIdx.x, blockIdx.y, blockIdx.z,
       static_cast<unsigned>(threads_.size()));
}

void Machine::report_deadlock() const {
  std::string text = "deadlock:";
  // One line for a run of threads that wait for the same.
  for (std::size_t begin = 0; begin < threads_.size();) {
    const Thread& first = threads_[begin];
    std::size_t end = begin + 1;
    while (end < threads_.size() && threads_[end].state == first.state && threads_[end].what == first.what &&
           threads_[end].site.line == first.site.line && threads_[end].mask == first.mask)
      ++end;
    text += "\n  " + described(first);
    if (end - begin > 1) text += ", and so on for " + std::to_string(end - begin) + " threads";
    begin = end;
  }
  report(text + "\n ");
}

void Machine::make_ready(Thread& thread) {
  thread.state = State::ready;
  ready_[(ready_begin_ + ready_count_++) % ready_.size()] = &thread;
}

void Machine::enter(Thread& thread) {
  thread.state = State::running;
  current_ = &thread;
  threadIdx = thread.index;
}

Thread* Machine::next_unstarted() {
  if (started_ == threads_.size()) return nullptr;
  const std::size_t place = started_++;
  return &threads_[descending_ ? threads_.size() - 1 - place : place];
}

Fibre& Machine::next_fibre() {
  if (ready_count_ > 0) {
    Thread& thread = *ready_[ready_begin_];
    ready_begin_ = (ready_begin_ + 1) % ready_.size();
    --ready_count_;
    enter(thread);
    return *thread.fibre;
  }
  if (started_ < threads_.size()) {
    if (idle_.empty()) return *fibres_.emplace_back(std::make_unique<Fibre>(&Machine::fibre_body));
    Fibre& fibre = *idle_.back();
    idle_.pop_back();
    return fibre;
  }
  if (exited_ < threads_.size()) report_deadlock();
  return main_;
}

void Machine::fibre_body() {
  Machine& self = machine();
  while (true) {
    self.work();
    Fibre* const own = self.running_;
    self.idle_.push_back(own);
    Fibre& next = self.next_fibre();
    // This fibre itself cannot be next: nothing is unstarted.
    self.running_ = &next;
    Fibre::switch_from_to(*own, next);
  }
}

void Machine::work() {
  while (ready_count_ == 0) {
    Thread* const thread = next_unstarted();
    if (thread == nullptr) return;
    thread->fibre = running_;
    enter(*thread);
    (*body_)();
    exit_thread();
  }
}

void Machine::exit_thread() {
  current_->state = State::exited;
  ++exited_;
  if (at_barrier_ > 0) {
    for (const Thread& other : threads_)
      if (other.state == State::at_barrier) report(described(*current_) + ", but " + described(other));
  }
  Warp& warp = warp_of(*current_);
  const unsigned bit = 1U << static_cast<unsigned>(lane());
  warp.exited |= bit;
  for (const Meeting& meeting : warp.meetings) {
    if ((meeting.mask & bit) == 0) continue;
    for (const Thread& other : threads_)
      if (other.state == State::at_collective && &warp_of(other) == &warp && other.mask == meeting.mask)
        report(described(*current_) + ", but " + described(other));
  }
}

void Machine::wait(State state, const char* what, unsigned mask, Site site) {
  Thread& self = *current_;
  self.state = state;
  self.what = what;
  self.mask = mask;
  self.site = site;
  Fibre& next = next_fibre();
  Fibre* const own = running_;
  running_ = &next;
  Fibre::switch_from_to(*own, next);
}

int Machine::barrier(const char* what, Vote vote, bool predicate, Site site) {
  if (exited_ > 0) {
    for (const Thread& other : threads_)
      if (other.state == State::exited)
        report(described(*current_) + " and comes to " + what + " at " + site.file + ":" + std::to_string(site.line) +
               ", but " + described(other));
  }
  if (at_barrier_ == 0) {
    vote_ = vote;
    barrier_site_ = site;
    in_favour_ = 0;
  } else if (vote != vote_ || site.line != barrier_site_.line) {
    report(described(*current_) + " and comes to the barrier at " + site.file + ":" + std::to_string(site.line) +
           ", but others wait in the one at " + barrier_site_.file + ":" + std::to_string(barrier_site_.line));
  }
  if (predicate) ++in_favour_;
  if (++at_barrier_ < threads_.size()) {
    wait(State::at_barrier, what, 0, site);
    return result_;
  }
  at_barrier_ = 0;
  const int all = static_cast<int>(threads_.size());
  result_ = vote == Vote::count ? in_favour_ : (vote == Vote::all ? in_favour_ == all : in_favour_ > 0) ? 1 : 0;
  if (descending_) {
    for (std::size_t i = threads_.size(); i-- > 0;)
      if (&threads_[i] != current_) make_ready(threads_[i]);
  } else {
    for (Thread& thread : threads_)
      if (&thread != current_) make_ready(thread);
  }
  return result_;
}

void Machine::collective(const char* what, unsigned mask, void* mine, Resolve resolve, Site site) {
  Thread& self = *current_;
  Warp& warp = warp_of(self);
  const auto place = static_cast<std::size_t>(lane());
  const unsigned bit = 1U << place;
  if ((mask & bit) == 0) {
    self.state = State::at_collective;
    self.what = what;
    self.mask = mask;
    self.site = site;
    report(described(self) + ", which does not name its own lane");
  }
  warp.brought[place] = mine;
  auto meeting = std::find_if(warp.meetings.begin(), warp.meetings.end(),
                              [mask](const Meeting& other) { return other.mask == mask; });
  if (meeting == warp.meetings.end()) {
    meeting = warp.meetings.insert(meeting, Meeting{what, resolve, mask, mask & warp.existing, 0});
  } else if (meeting->resolve != resolve || (meeting->what != what && std::strcmp(meeting->what, what) != 0)) {
    report(described(self) + " and comes to " + what + " at " + site.file + ":" + std::to_string(site.line) +
           ", but other lanes of its mask are in " + meeting->what);
  }
  if ((mask & warp.exited) != 0) {
    self.state = State::at_collective;
    self.what = what;
    self.mask = mask;
    self.site = site;
    report(described(self) + ", which names lanes that have come to their end");
  }
  meeting->arrived |= bit;
  if (meeting->arrived != meeting->expected) {
    wait(State::at_collective, what, mask, site);
    return;
  }
  const unsigned active = meeting->expected;
  warp.meetings.erase(meeting);
  if (resolve != nullptr) resolve(warp.brought.data(), active);
  for (unsigned other = 0; other < 32; ++other)
    if ((active >> other & 1U) != 0 && other != place)
      make_ready(threads_[static_cast<std::size_t>(warp.first) + other]);
}

void Machine::full_collective(const char* what, void* mine, Resolve resolve, Site site) {
  if (warp_of(*current_).existing != 0xFFFFFFFFU)
    report(std::string(what) + " at " + site.file + ":" + std::to_string(site.line) + " in a warp of fewer than 32");
  collective(what, 0xFFFFFFFFU, mine, resolve, site);
}

void Machine::prepare(const Grid& grid) {
  const std::size_t count = std::size_t{grid.threads.x} * grid.threads.y * grid.threads.z;
  threads_.resize(count);
  ready_.resize(count);
  warps_.resize((count + 31) / 32);
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<unsigned>(i);
    threads_[i].number = static_cast<int>(i);
    threads_[i].index = {number % grid.threads.x, number / grid.threads.x % grid.threads.y,
                         number / grid.threads.x / grid.threads.y};
  }
  for (std::size_t w = 0; w < warps_.size(); ++w) {
    const std::size_t lanes = std::min<std::size_t>(32, count - 32 * w);
    warps_[w].first = static_cast<int>(32 * w);
    warps_[w].existing = lanes == 32 ? 0xFFFFFFFFU : (1U << lanes) - 1U;
  }
  // A block of its own for each launch, so that AddressSanitizer sees its end.
  void* shared = nullptr;
  if (posix_memalign(&shared, 128, std::max<std::size_t>(grid.shared_bytes, 1)) != 0) fail("no memory left");
  shared_.reset(static_cast<unsigned char*>(shared));
  gridDim = grid.blocks;
  blockDim = grid.threads;
}

void Machine::run_block() {
  for (Thread& thread : threads_) thread.state = State::unstarted;
  for (Warp& warp : warps_) {
    warp.exited = 0;
    warp.meetings.clear();
  }
  ready_begin_ = 0;
  ready_count_ = 0;
  started_ = 0;
  exited_ = 0;
  at_barrier_ = 0;
  forget_copies();
  Fibre& first = next_fibre();
  running_ = &first;
  Fibre::switch_from_to(main_, first);
  current_ = nullptr;
}

void Machine::run(const Grid& grid, const std::function<void()>& thread) {
  if (running_ != nullptr) fail("a kernel was started by a kernel");
  body_ = &thread;
  prepare(grid);
  const std::uint64_t blocks = std::uint64_t{grid.blocks.x} * grid.blocks.y * grid.blocks.z;
  const bool backwards = blocks_run_ % 2 == 1;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const std::uint64_t block = backwards ? blocks - 1 - i : i;
    blockIdx = {static_cast<unsigned>(block % grid.blocks.x),
                static_cast<unsigned>(block / grid.blocks.x % grid.blocks.y),
                static_cast<unsigned>(block / grid.blocks.x / grid.blocks.y)};
    descending_ = blocks_run_++ % 2 == 1;
    if (grid.shared_bytes > 0) std::memset(shared_.get(), 0xFF, grid.shared_bytes);
    run_block();
  }
  running_ = nullptr;
  shared_.reset();
}

}  // namespace

void check_grid(const Grid& grid) {
  const dim3& b = grid.blocks;
  const dim3& t = grid.threads;
  if (b.x == 0 || b.y == 0 || b.z == 0 || b.x > 0x7FFFFFFFU || b.y > 65535 || b.z > 65535)
    fail("a grid of (%u, %u, %u) blocks; the most are (2147483647, 65535, 65535)", b.x, b.y, b.z);
  if (t.x == 0 || t.y == 0 || t.z == 0 || t.x > 1024 || t.y > 1024 || t.z > 64 ||
      std::uint64_t{t.x} * t.y * t.z > kMostThreads)
    fail("a block of (%u, %u, %u) threads; the most are (1024, 1024, 64) and 1024 in all", t.x, t.y, t.z);
  if (grid.shared_bytes > kMostSharedBytes)
    fail("a block with %zu bytes of shared memory; the most are %zu", grid.shared_bytes, kMostSharedBytes);
}

void run_grid(const Grid& grid, const std::function<void()>& thread) { machine().run(grid, thread); }

unsigned char* dynamic_shared() { return machine().shared(); }

int thread_number() { return machine().number(); }

int lane() { return machine().lane(); }

int block_barrier(const char* what, Vote vote, bool predicate, Site site) {
  return machine().barrier(what, vote, predicate, site);
}

void warp_collective(const char* what, unsigned mask, void* mine, Resolve resolve, Site site) {
  machine().collective(what, mask, mine, resolve, site);
}

void full_warp_collective(const char* what, void* mine, Resolve resolve, Site site) {
  machine().full_collective(what, mine, resolve, site);
}

}  // namespace simt
