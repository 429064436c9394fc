#include "data/tokenizer/score_number.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace temper {
namespace {

constexpr int kHighestPower = 308;

double power_of_ten(int exponent) { return std::stod("1e" + std::to_string(exponent)); }

}  // namespace

double score_of(std::string_view digits) {
  const bool negative = digits.starts_with('-');
  std::size_t i = negative ? 1 : 0;
  std::uint64_t significand = 0;
  int exponent = 0;
  bool after_point = false;
  bool full = false;  // digits that do not fit are dropped
  for (; i < digits.size() && digits[i] != 'e' && digits[i] != 'E'; ++i) {
    if (digits[i] == '.') {
      after_point = true;
      continue;
    }
    const auto digit = static_cast<std::uint64_t>(digits[i] - '0');
    full = full || significand > (std::numeric_limits<std::uint64_t>::max() - digit) / 10;
    if (!full) significand = 10 * significand + digit;
    if (!full && after_point) --exponent;
    if (full && !after_point) ++exponent;
  }
  if (i < digits.size()) {
    const bool minus = digits[++i] == '-';
    if (digits[i] == '-' || digits[i] == '+') ++i;
    int written = 0;
    for (; i < digits.size() && written < 100000; ++i) written = 10 * written + (digits[i] - '0');
    exponent += minus ? -written : written;
  }
  auto value = static_cast<double>(significand);
  while (exponent < -kHighestPower && value != 0) {
    value /= power_of_ten(kHighestPower);
    exponent += kHighestPower;
  }
  if (value != 0 && exponent > kHighestPower) value = std::numeric_limits<double>::infinity();
  if (value != 0 && std::isfinite(value))
    value = exponent >= 0 ? value * power_of_ten(exponent) : value / power_of_ten(-exponent);
  return negative ? -value : value;
}

}  // namespace temper
