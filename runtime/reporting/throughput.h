// How fast a run trains, since this start of it: in all, and in its last epoch.
#pragma once

#include <cstdint>

namespace temper {

class Throughput {
 public:
  void add_step(double seconds, std::int64_t examples, std::int64_t tokens);
  /// What steps had to wait for: it counts as time of training.
  void add_preparation(double seconds);
  void end_epoch();

  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] double preparation_seconds() const { return preparation_seconds_; }
  /// Of steps alone, in the mean.
  [[nodiscard]] double seconds_per_step() const;
  [[nodiscard]] double examples_per_second() const { return rate(all_.examples, all_.seconds); }
  [[nodiscard]] double tokens_per_second() const { return rate(all_.tokens, all_.seconds); }
  /// Of steps alone: how fast it goes on.
  [[nodiscard]] double step_examples_per_second() const { return rate(all_.examples, step_seconds()); }
  [[nodiscard]] double step_tokens_per_second() const { return rate(all_.tokens, step_seconds()); }
  /// Of the last epoch that has ended, or where none has, of the one that is under way.
  [[nodiscard]] double last_epoch_examples_per_second() const {
    const Sums& epoch = last_epoch_.seconds > 0.0 ? last_epoch_ : epoch_;
    return rate(epoch.examples, epoch.seconds);
  }

 private:
  struct Sums {
    double seconds = 0.0;
    std::int64_t examples = 0;
    std::int64_t tokens = 0;
  };
  static double rate(std::int64_t count, double seconds) {
    return seconds > 0.0 ? static_cast<double>(count) / seconds : 0.0;
  }

  [[nodiscard]] double step_seconds() const { return all_.seconds - preparation_seconds_; }

  Sums all_;
  Sums epoch_;
  Sums last_epoch_;
  std::int64_t steps_ = 0;
  double preparation_seconds_ = 0.0;
};

}  // namespace temper
