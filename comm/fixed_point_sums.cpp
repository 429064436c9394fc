#include "comm/fixed_point_sums.h"

#include <algorithm>
#include <limits>
#include <span>

namespace temper {
namespace {

constexpr int kFraction = 90;
/// Of a group without a number, or with nothing but zeros: below that of the smallest double.
constexpr std::int64_t kNothing = -2000;
constexpr std::int64_t kNotFinite = 2000;
/// A sum travels in three parts, which ranks can add up without carries.
constexpr int kPartBits = 42;
constexpr std::size_t kParts = 3;

std::int64_t exponent_of(double value) {
  if (!std::isfinite(value)) return kNotFinite;
  if (value == 0.0) return kNothing;
  int exponent = 0;
  std::frexp(value, &exponent);
  return exponent;
}

}  // namespace

FixedPointSums::FixedPointSums(std::vector<std::size_t> starts)
    : starts_(std::move(starts)), exponents_(starts_.size() - 1, kNothing), sums_(starts_.back(), 0) {}

void FixedPointSums::note(std::size_t group, double value) {
  exponents_[group] = std::max(exponents_[group], exponent_of(value));
}

void FixedPointSums::agree(Communicator& communicator) {
  communicator.all_reduce(std::span<std::int64_t>(exponents_), Reduction::max);
}

void FixedPointSums::add(std::size_t group, std::size_t sum, double value) {
  if (exponents_[group] == kNotFinite) return;
  sums_[starts_[group] + sum] += static_cast<Wide>(std::ldexp(value, kFraction - static_cast<int>(exponents_[group])));
}

std::vector<double> FixedPointSums::share(Communicator& communicator) {
  constexpr Wide kMask = (Wide{1} << kPartBits) - 1;
  std::vector<std::int64_t> parts(kParts * sums_.size());
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    Wide rest = sums_[i];
    for (std::size_t part = 0; part + 1 < kParts; ++part, rest >>= kPartBits)
      parts[kParts * i + part] = static_cast<std::int64_t>(rest & kMask);
    parts[kParts * i + kParts - 1] = static_cast<std::int64_t>(rest);
  }
  communicator.all_reduce(std::span<std::int64_t>(parts), Reduction::sum);
  std::vector<double> values(sums_.size());
  for (std::size_t group = 0; group + 1 < starts_.size(); ++group) {
    for (std::size_t i = starts_[group]; i < starts_[group + 1]; ++i) {
      Wide sum = 0;
      for (std::size_t part = kParts; part-- > 0;) sum = (sum << kPartBits) + parts[kParts * i + part];
      values[i] = exponents_[group] == kNotFinite
                      ? std::numeric_limits<double>::quiet_NaN()
                      : std::ldexp(static_cast<double>(sum), static_cast<int>(exponents_[group]) - kFraction);
    }
  }
  return values;
}

}  // namespace temper
