#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/error.h"
#include "data/sampler.h"

namespace temper {
namespace {

void require_at_least(const char* name, std::int64_t value, std::int64_t least) {
  if (value < least) throw Error("the loader's {} is {}, expected at least {}", name, value, least);
}

void check(const ExampleSource& source, const LoaderOptions& options, LoaderPosition start) {
  require_at_least("batch size", options.batch_size, 1);
  require_at_least("number of grains", options.grains, 1);
  require_at_least("first grain", options.first_grain, 0);
  require_at_least("last grain", options.last_grain, options.first_grain);
  require_at_least("number of grains", options.grains, options.last_grain);
  require_at_least("number of micro-batches", options.micro_batches, 1);
  require_at_least("number of steps packed ahead", options.prefetch, 1);
  require_at_least("epoch", start.epoch, 0);
  require_at_least("step", start.step, 0);
  if (source.epoch_rows() == 0) throw Error("there are no rows to load");
  const std::int64_t steps = steps_per_epoch(source.epoch_rows(), options.batch_size);
  if (start.step > steps)
    throw Error("the data position is step {} of an epoch of {} steps; data file or batch size differ from the run's",
                start.step, steps);
}

}  // namespace

StepBatch make_step(const ExampleSource& source, const LoaderOptions& options, LoaderPosition position,
                    std::span<const std::uint32_t> order) {
  const std::int64_t first = position.step * options.batch_size;
  const std::int64_t count = std::min(options.batch_size, source.epoch_rows() - first);
  const auto taken = order.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  const std::vector<std::int64_t> batch_rows(taken.begin(), taken.end());
  std::vector<std::int64_t> lengths;
  for (const std::int64_t row : batch_rows) lengths.push_back(source.cost(row));
  const GrainAssignment assignment = assign_grains(batch_rows, lengths, options.grains);
  StepBatch step{position, count, {}};
  for (int g = options.first_grain; g < options.last_grain; ++g) {
    const std::span<const std::int64_t> rows = assignment.rows[static_cast<std::size_t>(g)];
    const auto parts = static_cast<std::size_t>(options.micro_batches);
    std::vector<Batch>& micro_batches = step.grains.emplace_back();
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t begin = rows.size() * part / parts;
      const std::size_t end = rows.size() * (part + 1) / parts;
      micro_batches.push_back(source.read(rows.subspan(begin, end - begin), {position.epoch, options.outline}));
    }
  }
  return step;
}

class Loader::Prefetcher {
 public:
  Prefetcher(const ExampleSource& source, const LoaderOptions& options, LoaderPosition start)
      : source_(source), options_(options), thread_([this, start](const std::stop_token& stop) { run(start, stop); }) {}

  std::optional<StepBatch> next() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !ready_.empty() || ended_; });
    if (ready_.empty()) {
      if (error_) std::rethrow_exception(error_);
      return std::nullopt;
    }
    StepBatch step = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    emptied_.notify_one();
    return step;
  }

 private:
  void run(LoaderPosition position, const std::stop_token& stop) {
    std::exception_ptr error;
    try {
      produce(position, stop);
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    error_ = error;
    ended_ = true;
    filled_.notify_all();
  }

  void produce(LoaderPosition position, const std::stop_token& stop) {
    const std::int64_t steps = steps_per_epoch(source_.epoch_rows(), options_.batch_size);
    for (; options_.epochs < 0 || position.epoch < options_.epochs; position = {position.epoch + 1, 0}) {
      const std::vector<std::uint32_t> order = source_.order_of(options_.seed, position.epoch, options_.shuffle);
      for (; position.step < steps; ++position.step) {
        if (stop.stop_requested()) return;
        const auto pack_step = [&] {
          const TimelineScope scope(options_.timeline, Timeline::Track::loader, "pack", position.step);
          return make_step(source_, options_, position, order);
        };
        if (!put(pack_step(), stop)) return;
      }
    }
  }

  /// Waits for room; false if the loader is being destroyed.
  bool put(StepBatch step, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!emptied_.wait(lock, stop, [this] { return std::cmp_less(ready_.size(), options_.prefetch); })) return false;
    ready_.push_back(std::move(step));
    lock.unlock();
    filled_.notify_one();
    return true;
  }

  const ExampleSource& source_;
  const LoaderOptions options_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable_any emptied_;
  std::deque<StepBatch> ready_;
  std::exception_ptr error_;
  bool ended_ = false;
  std::jthread thread_;  // last, so that it ends before what it uses
};

Loader::Loader(const ExampleSource& source, const LoaderOptions& options, LoaderPosition start) {
  check(source, options, start);
  prefetcher_ = std::make_unique<Prefetcher>(source, options, start);
}

Loader::~Loader() = default;

std::optional<StepBatch> Loader::next() { return prefetcher_->next(); }

}  // namespace temper
