// What a probe measured of each learning rate, and what to make of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace temper {

/// Losses behind so many steps; NaN where one is not finite.
struct ProbedLoss {
  double training = 0.0;                  ///< mean over the last steps (ProbedCurve::last_steps)
  std::optional<double> validation = {};  ///< where there are such rows
  friend bool operator==(const ProbedLoss&, const ProbedLoss&) = default;
};

struct ProbedRate {
  double rate = 0.0;
  std::vector<double> losses;                        ///< of each step, before its update, as far as it came
  std::optional<std::int64_t> not_finite_step = {};  ///< counted from 1: its loss or gradient was infinite or NaN
  ProbedLoss end = {};
};

struct ProbedCurve {
  std::int64_t steps = 0;         ///< of each rate
  std::int64_t last_steps = 0;    ///< of these: over which the training loss is averaged
  ProbedLoss start;               ///< of the untrained model, over the rows of the same last steps
  std::vector<ProbedRate> rates;  ///< rising

  [[nodiscard]] bool has_validation() const { return start.validation.has_value(); }
};

/// The loss by which rates are compared: that of the validation rows where there are some.
double judged_loss(const ProbedLoss& loss);

/// Steps at the end of so many over which the training loss is averaged: a quarter of them, rounded up.
std::int64_t last_steps_of(std::int64_t steps);

struct RateAdvice {
  std::optional<std::size_t> recommended;  ///< of the curve's rates; nothing where none has lowered the loss
  std::optional<std::size_t> lowest;       ///< the rate with the lowest loss
  std::vector<std::string> notes;          ///< on each rate, a few words; may be empty
  std::string sentence;                    ///< whether to try other rates; may be empty
};

/// Recommends the smallest rate that lowers the loss by at least 95 % of what the best one does. All start alike and
/// are measured on the same rows, so what is left between such rates says little; and what a few steps favour is rather
/// too high for many.
RateAdvice advise(const ProbedCurve& curve);

}  // namespace temper
