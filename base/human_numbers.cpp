#include "base/human_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"

namespace temper {

std::string grouped(std::int64_t value) {
  std::string text = fmt::format("{}", value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t place = text.size(); place > first + 3;) text.insert(place -= 3, 1, ',');
  return text;
}

std::string grouped(std::int64_t count, std::string_view one) { return grouped(count) + " " + plural(count, one); }

std::string mebibytes(std::int64_t bytes) { return grouped((bytes + (1 << 20) - 1) >> 20); }

std::string significant(double value, int digits) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  // Rounding decides how large the number is: 9.99 is 10 where two digits are shown.
  const std::string scientific = fmt::format("{:.{}e}", value, digits - 1);
  const int exponent = std::stoi(scientific.substr(scientific.find('e') + 1));
  if (exponent < -4 || exponent >= 6) return scientific;
  if (exponent >= digits) return grouped(std::llround(value));
  return fmt::format("{:.{}f}", value, std::max(0, digits - 1 - exponent));
}

std::string human_duration(double seconds) {
  if (!(seconds >= 0.0 && seconds < 1e9)) return "?";
  const std::int64_t all = std::llround(seconds);
  if (all < 60) return fmt::format("{}s", all);
  if (all < 3600) return fmt::format("{}m {:02}s", all / 60, all % 60);
  if (all < 86400) return fmt::format("{}h {:02}m", all / 3600, all / 60 % 60);
  return fmt::format("{}d {:02}h", all / 86400, all / 3600 % 24);
}

}  // namespace temper
