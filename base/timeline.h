// What a process did and when: spans on tracks, kept in memory until they are written out
// (runtime/reporting/trace_file.h). Recording is off at first; a scope then costs one test of a flag.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace temper {

class Timeline {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Track : std::uint8_t { steps, sections, kernels, buckets, waits, loader };
  struct Span {
    Track track;
    std::string_view name;  ///< of static storage
    std::int64_t number;    ///< of a step or bucket; -1: none
    std::int64_t begin;     ///< nanoseconds since start()
    std::int64_t end;
  };

  /// Spans beyond the first `most_spans` are counted, not kept.
  explicit Timeline(std::size_t most_spans) : most_spans_(most_spans) {}

  /// Begins to record; now is the zero of time.
  void start();
  void stop() { recording_.store(false, std::memory_order_release); }
  [[nodiscard]] bool recording() const { return recording_.load(std::memory_order_acquire); }
  /// For any thread. Nothing is kept of what began before start().
  void add(Track track, std::string_view name, std::int64_t number, Clock::time_point begin, Clock::time_point end);

  /// In the order in which they ended.
  [[nodiscard]] std::vector<Span> spans() const;
  [[nodiscard]] std::int64_t left_out() const;

 private:
  std::size_t most_spans_;
  std::atomic<bool> recording_ = false;
  mutable std::mutex mutex_;
  Clock::time_point zero_;
  std::vector<Span> spans_;
  std::int64_t left_out_ = 0;
};

/// A span from its making to its end; nothing where the timeline is null or does not record.
class TimelineScope {
 public:
  TimelineScope(Timeline* timeline, Timeline::Track track, std::string_view name, std::int64_t number = -1)
      : timeline_(timeline != nullptr && timeline->recording() ? timeline : nullptr),
        track_(track),
        name_(name),
        number_(number) {
    if (timeline_ != nullptr) begin_ = Timeline::Clock::now();
  }
  TimelineScope(const TimelineScope&) = delete;
  TimelineScope& operator=(const TimelineScope&) = delete;
  ~TimelineScope() {
    if (timeline_ != nullptr) timeline_->add(track_, name_, number_, begin_, Timeline::Clock::now());
  }

 private:
  Timeline* timeline_;
  Timeline::Track track_;
  std::string_view name_;
  std::int64_t number_;
  Timeline::Clock::time_point begin_;
};

}  // namespace temper
