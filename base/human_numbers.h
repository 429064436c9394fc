// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace temper {

/// 4021 as "4,021".
std::string grouped(std::int64_t value);
/// "1 row", "4,021 rows".
std::string grouped(std::int64_t count, std::string_view one);

/// Whole MiB, rounded up: 22544384 as "22".
std::string mebibytes(std::int64_t bytes);

/// `digits` significant digits, and no exponent between 0.0001 and a million: "4.87", "0.0123", "4,021".
std::string significant(double value, int digits);

/// "45s", "1m 20s", "1h 02m", "2d 07h"; "?" for what is no duration (negative, NaN) or longer than any.
std::string human_duration(double seconds);

}  // namespace temper
