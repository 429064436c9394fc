#include "tensor/cost/timed_kernels.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <utility>

#include "tensor/kernels.h"

namespace temper {

double share_outside_products_and_attention(std::span<const KernelTime> times) {
  double all = 0.0;
  double outside = 0.0;
  for (const KernelTime& time : times) {
    all += time.seconds;
    if (!is_limited_by_operations(time.kernel.kind)) outside += time.seconds;
  }
  return all > 0.0 ? outside / all : 0.0;
}

class TimedKernels::Wrapper final : public UniformKernels<Wrapper, Kernels, AllCalls> {
 public:
  Wrapper(Kernels& kernels, std::function<void()> wait, bool host_memory)
      : kernels_(kernels), wait_(std::move(wait)), host_memory_(host_memory) {
    kernels_.take_parts_from(*this);
  }

  template <typename Call>
  void take(const Call& call) {
    time(Call::kKernel, work_of(call), [&] { kernels_.run(call); });
  }

  void set_timeline(Timeline* timeline) { timeline_ = timeline; }
  void observe(std::function<void(const KernelId&, const KernelWork&)> see) { see_ = std::move(see); }
  [[nodiscard]] std::vector<KernelTime> times() const {
    std::vector<KernelTime> times;
    for (const auto& [name, row] : rows_) times.push_back(row);
    std::stable_sort(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
    return times;
  }
  void forget_times() { rows_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;

  template <typename Call>
  [[nodiscard]] KernelWork work_of(const Call& call) const {
    if constexpr (requires { call.work(host_memory_); }) {
      return call.work(host_memory_);
    } else {
      return call.work();
    }
  }

  template <typename Work>
  void time(const KernelId& kernel, const KernelWork& work, const Work& run) {
    // What was under way before is not this kernel's.
    wait_();
    const double parts_of_caller = std::exchange(seconds_of_parts_, 0.0);
    const std::int64_t parts_before = parts_;
    const Clock::time_point began = Clock::now();
    run();
    wait_();
    const Clock::time_point ended = Clock::now();
    const double seconds = std::chrono::duration<double>(ended - began).count();
    if (timeline_ != nullptr && timeline_->recording())
      timeline_->add(Timeline::Track::kernels, kernel.name, -1, began, ended);
    KernelTime& row = rows_[kernel.name];
    row.kernel = kernel;
    ++row.calls;
    row.seconds += seconds - seconds_of_parts_;
    if (parts_ == parts_before) {
      row.work += work;
      if (see_) see_(kernel, work);
    }
    ++parts_;
    seconds_of_parts_ = parts_of_caller + seconds;
  }

  Kernels& kernels_;
  std::function<void()> wait_;
  bool host_memory_;
  Timeline* timeline_ = nullptr;
  std::function<void(const KernelId&, const KernelWork&)> see_;
  std::map<std::string_view, KernelTime> rows_;
  double seconds_of_parts_ = 0.0;  ///< of the kernels that the one being timed is made of, so far
  std::int64_t parts_ = 0;         ///< how many of them
};

TimedKernels::TimedKernels(Kernels& kernels, std::function<void()> wait, bool host_memory)
    : wrapper_(std::make_unique<Wrapper>(kernels, std::move(wait), host_memory)) {}

TimedKernels::~TimedKernels() = default;

Kernels& TimedKernels::kernels() { return *wrapper_; }

void TimedKernels::set_timeline(Timeline* timeline) { wrapper_->set_timeline(timeline); }

void TimedKernels::observe(std::function<void(const KernelId&, const KernelWork&)> see) {
  wrapper_->observe(std::move(see));
}

std::vector<KernelTime> TimedKernels::times() const { return wrapper_->times(); }

void TimedKernels::forget_times() { wrapper_->forget_times(); }

}  // namespace temper
