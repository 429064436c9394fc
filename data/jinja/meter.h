// What a rendering may still do. Every operation whose cost depends on how much its operands hold is handed the meter
// and pays before it does the work, so that neither time nor memory can be had for nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace temper::jinja {

/// Enough for tens of thousands of messages, and used up within seconds.
inline constexpr std::int64_t kMostSteps = 5'000'000;

class Meter {
 public:
  explicit Meter(std::int64_t steps = kMostSteps) : limit_(steps) {}

  /// Throws a limit error where more has been done than is allowed.
  void spend(std::int64_t steps) {
    spent_ += steps;
    if (spent_ > limit_) fail();
  }
  /// The same for text that is gone through or made: a step per 64 bytes.
  void spend_text(std::size_t bytes) { spend(static_cast<std::int64_t>(bytes / 64) + 1); }
  /// The same for values that are copied into a list; each takes 32 bytes there.
  void spend_items(std::size_t count) { spend(static_cast<std::int64_t>(count / 2) + 1); }
  /// The same for values that are made, such as the characters of a text.
  void spend_new(std::size_t count) { spend(2 * static_cast<std::int64_t>(count) + 1); }
  [[nodiscard]] std::int64_t spent() const { return spent_; }

 private:
  [[noreturn]] void fail() const;

  std::int64_t limit_;
  std::int64_t spent_ = 0;
};

}  // namespace temper::jinja
