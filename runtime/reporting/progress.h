// What rank 0 shows while it trains: on a terminal one bar, drawn again in place, below what has happened; elsewhere
// plain lines, for log files.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tasks/metrics.h"

namespace temper {

struct ProgressLine {
  std::int64_t step = 0;  ///< steps done
  std::int64_t total_steps = 0;
  double epoch = 0.0;  ///< epochs done, with their fraction
  double loss = 0.0;
  double learning_rate = 0.0;
  double gradient_norm = 0.0;
  double examples_per_second = 0.0;
  double tokens_per_second = 0.0;
  double seconds_left = 0.0;
  bool counts = true;  ///< something in its rows does; else the loss, 0, says nothing
  std::vector<std::pair<std::string, double>> measures = {};  ///< what the task's loss tells beside itself
};

class Progress {
 public:
  /// `stream` (stderr normally) is borrowed. `columns` is the width of the terminal, unless the stream itself tells
  /// one. Colours are used on a terminal, unless NO_COLOR is set (no-color.org). What cannot be written is not shown;
  /// that is no reason to end a run.
  Progress(std::FILE* stream, bool terminal, int columns);
  /// Leaves the cursor on a line of its own.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Examples are images: told is how many per second, and no tokens.
  void count_images() { of_images_ = true; }
  /// Terminal: draws the bar, at most ten times per second. Else: prints a line; the caller decides how often.
  void update(const ProgressLine& line);
  /// Prints the metrics of an evaluation above the bar; `best` if it is the best so far. `set`: of which rows, if they
  /// are not the validation rows.
  void evaluation(double epoch, const Metrics& metrics, bool best, std::string_view set = {});
  /// Prints a text above the bar.
  void message(std::string_view text);
  /// Draws the bar for the last time. What is printed afterwards stands below it.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kFields = 8;

  [[nodiscard]] int width() const;
  [[nodiscard]] std::string styled(std::string_view style, std::string_view text) const;
  std::string bar_line();
  void draw();
  void print_above(std::string_view text);
  void write(std::string_view bytes);

  std::FILE* stream_;
  bool terminal_;
  bool colours_;
  int columns_;
  bool of_images_ = false;
  bool drawn_ = false;  ///< the cursor stands behind a bar
  std::optional<ProgressLine> last_;
  Clock::time_point last_drawn_;
  std::array<std::size_t, kFields> widest_{};  ///< of each field so far, so that fields keep their places
};

}  // namespace temper
